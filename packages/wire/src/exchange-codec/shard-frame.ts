import { Code, RetakeError } from "@retake/errors";
import { badMessage, finiteNumber, wholeNumber } from "../decoders/bad-message.js";
import { ShardFrame } from "../generated/retake/v1/exchange.js";
import { seal, sealBytes, unsealed } from "./job-key.js";
import { assertShardName } from "./shard-name.js";

/** Bytes of a shard that one answer carries: with its head, it fits into NATS's 1 MiB. */
export const shardPieceBytesMax = 512 * 1024;
/** Bytes of a shard: 64 of them hold four times the vector of SD 1.x. */
export const shardBytesMax = 32 * 2 ** 20;
const headBytesMax = 1024;
const lengthBytes = 2;

export interface ReceivedShard {
  readonly head: ShardFrame;
  /** A view of the message: copy it to keep it. */
  readonly bytes: Uint8Array;
}

/**
 * One answer: seal, length of the head (16 bits, little-endian), head, bytes.
 *
 * @param head.offsetBytes  where in the shard the bytes lie
 */
export function encodeShardFrame(head: ShardFrame, bytes: Uint8Array, key: Uint8Array): Uint8Array {
  const encoded = ShardFrame.encode(head).finish();
  const begin = sealBytes + lengthBytes;
  const frame = new Uint8Array(begin + encoded.length + bytes.length);
  new DataView(frame.buffer).setUint16(sealBytes, encoded.length, true);
  frame.set(encoded, begin);
  frame.set(bytes, begin + encoded.length);
  seal("frame", frame, key);
  return frame;
}

/**
 * Reads an answer, and refuses it if anything of it cannot be.
 *
 * @throws RetakeError  `not-allowed` for a seal that is not right; `bad-message`
 */
export function decodeShardFrame(message: Uint8Array, key: Uint8Array): ReceivedShard {
  const subject = "shard";
  const frame = unsealed("frame", message, key);
  if (frame.length < lengthBytes) throw badMessage(subject, { expected: "a head", got: "none" });
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const headBytes = view.getUint16(0, true);
  const begin = lengthBytes + headBytes;
  if (headBytes > headBytesMax || begin > frame.length) {
    const expected = `a head within ${Math.min(headBytesMax, frame.length - lengthBytes)} bytes`;
    throw badMessage(subject, { expected, got: headBytes });
  }
  const head = decodeHead(frame.subarray(lengthBytes, begin));
  const bytes = frame.subarray(begin);
  assertShardName(head, subject);
  wholeNumber(head.totalBytes, { subject: `${subject}: bytes in all`, min: 0, max: shardBytesMax });
  finiteOrNot(head.sumOfSquares, subject);
  if (head.pending || head.stale) {
    if (bytes.length === 0 && !(head.pending && head.stale)) return { head, bytes };
    throw badMessage(subject, { expected: "no bytes with a refusal", got: bytes.length });
  }
  const room = Math.min(shardPieceBytesMax, head.totalBytes - head.offsetBytes);
  if (bytes.length <= room && (bytes.length > 0 || head.totalBytes === 0)) return { head, bytes };
  throw badMessage(subject, { expected: `1 to ${room} bytes`, got: bytes.length });
}

function decodeHead(bytes: Uint8Array): ShardFrame {
  try {
    return ShardFrame.decode(bytes);
  } catch (thrown) {
    const message = "shard: expected a head, got bytes that are none";
    throw new RetakeError(Code.InvalidArgument, "bad-message", message, { cause: thrown });
  }
}

/** A gradient that is not finite has such a sum: only a negative one cannot be. */
function finiteOrNot(sumOfSquares: number, subject: string): void {
  if (!Number.isFinite(sumOfSquares)) return;
  const limits = { min: 0, max: Number.MAX_VALUE };
  finiteNumber(sumOfSquares, { subject: `${subject}: sum of squares`, ...limits });
}
