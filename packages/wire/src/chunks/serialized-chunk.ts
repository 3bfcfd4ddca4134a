import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { Chunk } from "../generated/retake/v1/artifact.js";

const noBytes = Buffer.alloc(0);
/** Tags of a field with a length before its bytes: field 1 of the answer, field 3 of a chunk. */
const chunkTag = (1 << 3) | 2;
const dataTag = (3 << 3) | 2;

/** An answer whose one field, number 1, is a chunk. */
interface ChunkAnswer {
  readonly chunk: Chunk | undefined;
}

/**
 * Encodes an answer. The generated code copies the bytes of a chunk four times, and gRPC once more;
 * here they are copied once, by gRPC: what it copies knows to put the data behind the rest.
 *
 * @returns  for gRPC alone, which asks for `byteLength` and calls `copy`: it holds no data itself
 */
export function serializedChunk({ chunk }: ChunkAnswer): Buffer {
  if (chunk === undefined) return noBytes;
  const { data } = chunk;
  const others = Chunk.encode({ ...chunk, data: noBytes }).finish();
  const before = new BinaryWriter().raw(others);
  if (data.length > 0) before.uint32(dataTag).uint32(data.length);
  const fields = before.finish();
  const message = new BinaryWriter().uint32(chunkTag).uint32(fields.length + data.length);
  const head = Buffer.from(message.raw(fields).finish());
  const { length } = head;
  return Object.defineProperties(head, {
    byteLength: { value: length + data.length },
    copy: {
      value: (target: Uint8Array, at: number): number => {
        target.set(head, at);
        target.set(data, at + length);
        return length + data.length;
      },
    },
  });
}

/**
 * Decodes an answer. The data is a view of the message, which the generated code would copy.
 *
 * @throws Error  for bytes that are no message
 */
export function deserializedChunk(message: Buffer): ChunkAnswer {
  const { bytes: fields } = fieldsOf(message, chunkTag);
  if (fields === undefined) return { chunk: undefined };
  const { others, bytes: data = noBytes } = fieldsOf(fields, dataTag);
  return { chunk: { ...Chunk.decode(others), data } };
}

/** A message's fields, of which one with bytes is told apart. */
function fieldsOf(
  message: Buffer,
  bytesTag: number,
): { readonly others: Buffer; readonly bytes: Buffer | undefined } {
  const reader = new BinaryReader(message);
  const others: Buffer[] = [];
  let bytes: Buffer | undefined;
  while (reader.pos < reader.len) {
    const begin = reader.pos;
    const tag = reader.uint32();
    if (tag === bytesTag) {
      const { buffer, byteOffset, byteLength } = reader.bytes();
      bytes = Buffer.from(buffer, byteOffset, byteLength);
    } else {
      reader.skip(tag & 7, tag >>> 3);
      others.push(message.subarray(begin, reader.pos));
    }
  }
  return { others: Buffer.concat(others), bytes };
}
