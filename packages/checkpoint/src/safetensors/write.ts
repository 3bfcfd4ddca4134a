import { Code, RetakeError } from "@retake/errors";
import { writeAll, writeAtomically } from "../files/atomic-file.js";
import {
  byteLengthOf,
  headerBytesMax,
  prefixBytes,
  shownShape,
  type TensorDtype,
} from "./header.js";

/**
 * A tensor whose bytes are made while the file is written, so that they are never all in memory.
 */
export interface TensorStream {
  readonly dtype: TensorDtype;
  readonly shape: readonly number[];
  /** The bytes, little-endian, row-major; a piece is written before the next one is asked for. */
  readonly chunks: () => AsyncIterable<Uint8Array>;
}

/** A float32 tensor in memory. */
export interface TensorValues {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export type TensorToWrite = TensorValues | TensorStream;

/** Data starts at a multiple of this, so that mapped float32 values are aligned. */
const dataAlignmentBytes = 64;

/**
 * Writes a safetensors file. The same tensors and metadata give the same bytes, whatever the order
 * of the maps; the name appears only when the file is whole.
 *
 * @throws RetakeError  `output-not-writable`, `disk-full`; `tensor-shape` if a shape and its data
 *                      differ
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorToWrite>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  const streams = [...tensors]
    .map(([name, tensor]) => ({ name, ...sized(name, streamOf(tensor)) }))
    .sort((a, b) => valueBytes(b) - valueBytes(a) || compareText(a.name, b.name));
  const header = encodeHeader(streams, metadata);
  await writeAtomically(path, async (handle) => {
    await writeAll(handle, header);
    for (const stream of streams) {
      let written = 0;
      for await (const chunk of stream.chunks()) {
        await writeAll(handle, chunk);
        written += chunk.byteLength;
      }
      assertLength(stream.name, stream, written);
    }
  });
}

interface SizedStream extends TensorStream {
  readonly name: string;
  readonly byteLength: number;
}

function streamOf(tensor: TensorToWrite): TensorStream {
  if ("chunks" in tensor) return tensor;
  const { data, shape } = tensor;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return {
    dtype: "F32",
    shape,
    async *chunks() {
      yield bytes;
    },
  };
}

function sized(name: string, stream: TensorStream): TensorStream & { byteLength: number } {
  const byteLength = byteLengthOf(stream.dtype, stream.shape);
  if (
    byteLength === undefined ||
    !stream.shape.every((size) => Number.isInteger(size) && size >= 0)
  ) {
    const message = `${name}: expected a shape of whole numbers, got ${shownShape(stream.shape)}`;
    throw new RetakeError(Code.InvalidArgument, "tensor-shape", message);
  }
  return { ...stream, byteLength };
}

function assertLength(name: string, stream: SizedStream, got: number): void {
  if (got === stream.byteLength) return;
  const what = `${stream.dtype} ${shownShape(stream.shape)}`;
  const message = `${name}: expected ${stream.byteLength} bytes for ${what}, got ${got}`;
  throw new RetakeError(Code.InvalidArgument, "tensor-shape", message);
}

/** Wide types first, so that no tensor is misaligned by a narrower one before it. */
function valueBytes(stream: TensorStream): number {
  return byteLengthOf(stream.dtype, []) ?? 0;
}

/** By code unit: the same order on every machine, unlike `localeCompare`. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function encodeHeader(
  streams: readonly SizedStream[],
  metadata: ReadonlyMap<string, string>,
): Uint8Array {
  const fields: [string, unknown][] = [];
  if (metadata.size > 0) {
    const sorted = [...metadata].sort(([a], [b]) => compareText(a, b));
    fields.push(["__metadata__", Object.fromEntries(sorted)]);
  }
  let begin = 0;
  for (const { name, dtype, shape, byteLength } of streams) {
    fields.push([name, { dtype, shape, data_offsets: [begin, begin + byteLength] }]);
    begin += byteLength;
  }
  const entries = fields.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const json = new TextEncoder().encode(`{${entries.join(",")}}`);
  const unaligned = prefixBytes + json.byteLength;
  const start = Math.ceil(unaligned / dataAlignmentBytes) * dataAlignmentBytes;
  const length = start - prefixBytes;
  if (length > headerBytesMax) {
    const message = `expected a header of at most ${headerBytesMax} bytes, got ${length}`;
    throw new RetakeError(Code.InvalidArgument, "header-too-large", message);
  }
  const bytes = new Uint8Array(start).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, prefixBytes);
  return bytes;
}
