import { Code, RetakeError } from "@retake/errors";
import { wholeNumber } from "../decoders/bad-message.js";
import { ShardRequest } from "../generated/retake/v1/exchange.js";
import { seal, sealBytes, unsealed } from "./job-key.js";
import { shardBytesMax, shardPieceBytesMax } from "./shard-frame.js";
import { assertShardName } from "./shard-name.js";

/** Seal, request. */
export function encodeShardRequest(request: ShardRequest, key: Uint8Array): Uint8Array {
  const encoded = ShardRequest.encode(request).finish();
  const message = new Uint8Array(sealBytes + encoded.length);
  message.set(encoded, sealBytes);
  seal("request", message, key);
  return message;
}

/** @throws RetakeError  `not-allowed` for a seal that is not right; `bad-message` */
export function decodeShardRequest(message: Uint8Array, key: Uint8Array): ShardRequest {
  const subject = "shard request";
  const request = decoded(unsealed("request", message, key), subject);
  assertShardName(request, subject);
  const { offsetBytes, lengthBytes } = request;
  wholeNumber(offsetBytes, { subject: `${subject}: offset`, min: 0, max: shardBytesMax });
  wholeNumber(lengthBytes, { subject: `${subject}: length`, min: 1, max: shardPieceBytesMax });
  return request;
}

function decoded(bytes: Uint8Array, subject: string): ShardRequest {
  try {
    return ShardRequest.decode(bytes);
  } catch (thrown) {
    const message = `${subject}: expected one, got bytes that are none`;
    throw new RetakeError(Code.InvalidArgument, "bad-message", message, { cause: thrown });
  }
}
