import { Code, RetakeError } from "@retake/errors";
import { wholeNumber } from "../decoders/bad-message.js";
import { ShardRequest } from "../generated/retake/v1/exchange.js";
import { shardBytesMax, shardPieceBytesMax } from "./shard-frame.js";
import { assertShardName } from "./shard-name.js";

export function encodeShardRequest(request: ShardRequest): Uint8Array {
  return ShardRequest.encode(request).finish();
}

/** @throws RetakeError  `bad-message` */
export function decodeShardRequest(bytes: Uint8Array): ShardRequest {
  const subject = "shard request";
  const request = decoded(bytes, subject);
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
