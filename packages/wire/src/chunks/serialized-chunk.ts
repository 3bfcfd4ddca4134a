import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { Chunk } from "../generated/retake/v1/artifact.js";

const noBytes = Buffer.alloc(0);
/** Tags of a field with a length before its bytes: field 1 of the answer, field 3 of a chunk. */
const chunkTag = (1 << 3) | 2;
const dataTag = (3 << 3) | 2;

/**
 * Encodes an answer whose one field, number 1, is a chunk. The generated code copies the bytes of a
 * chunk four times; this copies them once.
 */
export function serializedChunk({ chunk }: { readonly chunk: Chunk | undefined }): Buffer {
  if (chunk === undefined) return noBytes;
  const { data } = chunk;
  const others = Chunk.encode({ ...chunk, data: noBytes }).finish();
  const before = new BinaryWriter().raw(others);
  if (data.length > 0) before.uint32(dataTag).uint32(data.length);
  const fields = before.finish();
  const head = new BinaryWriter().uint32(chunkTag).uint32(fields.length + data.length);
  return Buffer.concat([head.raw(fields).finish(), data]);
}
