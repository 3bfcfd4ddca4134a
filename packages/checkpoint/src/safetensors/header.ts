import { Code, RetakeError } from "@retake/errors";
import { malformed, shown, truncated } from "../files/file-errors.js";
import { type HeaderObject, type HeaderValue, parseHeaderJson } from "./header-json.js";

/** The limit of the format's own library, so that a file cannot ask for any amount of memory. */
export const headerBytesMax = 100_000_000;
/** The file begins with the header's length, a little-endian 64-bit integer. */
export const prefixBytes = 8;

const bytesOfDtype = {
  F32: 4,
  F16: 2,
  BF16: 2,
  BOOL: 1,
  U8: 1,
  I8: 1,
  U16: 2,
  I16: 2,
  U32: 4,
  I32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const;
export type TensorDtype = keyof typeof bytesOfDtype;

/** A tensor's type, shape and place: bytes `offset` to `offset + byteLength` of the file. */
export interface TensorRange {
  readonly offset: number;
  readonly byteLength: number;
  readonly dtype: TensorDtype;
  readonly shape: readonly number[];
}

export interface Header {
  /** The strings under `__metadata__`. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, TensorRange>;
}

/**
 * The header's length from the file's first eight bytes, checked before anything of that size is
 * allocated.
 *
 * @throws RetakeError  `file-truncated`, `header-too-large`
 */
export function decodeHeaderLength(
  prefix: Uint8Array,
  file: { readonly label: string; readonly size: number },
): number {
  if (file.size < prefixBytes || prefix.byteLength < prefixBytes) {
    throw truncated(`${file.label}: expected at least ${prefixBytes} bytes, got ${file.size}`);
  }
  const length = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true);
  if (length > BigInt(headerBytesMax)) {
    const expected = `expected a header of at most ${headerBytesMax} bytes`;
    const message = `${file.label}: ${expected}, got ${length}; is it safetensors?`;
    throw new RetakeError(Code.InvalidArgument, "header-too-large", message);
  }
  if (Number(length) > file.size - prefixBytes) {
    const got = `got a file of ${file.size}; fetch it again`;
    throw truncated(`${file.label}: expected a header of ${length} bytes, ${got}`);
  }
  return Number(length);
}

/**
 * Reads a safetensors header. Pure: bytes and the file's size in, places out; every rule of the
 * format holds for what it returns.
 *
 * @param bytes  the header without the length before it
 * @throws RetakeError  `file-malformed`; `file-truncated` if only the end of the data is missing;
 *                      `tensor-dtype` for a type that the format does not have
 */
export function parseHeader(
  bytes: Uint8Array,
  file: { readonly label: string; readonly size: number },
): Header {
  const json = parseHeaderJson(decodeUtf8(bytes, file.label), file);
  const dataStart = prefixBytes + bytes.byteLength;
  const tensors = new Map<string, TensorRange>();
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const [name, value] of json) {
    const label = `${file.label}: ${shown(name)}`;
    if (name === "__metadata__") metadata = stringsOf(value, label);
    else tensors.set(name, tensorRange(value, { label, dataStart }));
  }
  assertCovered(tensors, { ...file, dataStart });
  return { metadata, tensors };
}

/** Bytes that `shape` takes in `dtype`, or undefined where that is no safe integer. */
export function byteLengthOf(dtype: TensorDtype, shape: readonly number[]): number | undefined {
  if (shape.includes(0)) return 0;
  let bytes: number = bytesOfDtype[dtype];
  for (const size of shape) {
    bytes *= size;
    if (!Number.isSafeInteger(bytes)) return undefined;
  }
  return bytes;
}

const shownAxesMax = 8;

/** `[320, 4, 3, 3]`; the end of a shape with absurdly many axes is left out. */
export function shownShape(shape: readonly number[]): string {
  const more = shape.length > shownAxesMax ? ", ..." : "";
  return `[${shape.slice(0, shownAxesMax).join(", ")}${more}]`;
}

function decodeUtf8(bytes: Uint8Array, label: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (thrown) {
    throw malformed(`${label}: expected a header in UTF-8; is it safetensors?`, thrown);
  }
}

function objectOf(value: HeaderValue, label: string): HeaderObject {
  if (value instanceof Map) return value;
  throw malformed(`${label}: expected an object, got ${shown(value)}`);
}

function stringsOf(value: HeaderValue, label: string): ReadonlyMap<string, string> {
  const strings = new Map<string, string>();
  for (const [key, text] of objectOf(value, label)) {
    if (typeof text !== "string") throw malformed(`${label}: expected a string for ${shown(key)}`);
    strings.set(key, text);
  }
  return strings;
}

function integersOf(value: HeaderValue | undefined, label: string): readonly number[] {
  const isIntegers = (items: readonly HeaderValue[]): items is readonly number[] =>
    items.every((item) => typeof item === "number");
  if (Array.isArray(value) && isIntegers(value)) return value;
  throw malformed(`${label}: expected an array of whole numbers`);
}

function isDtype(value: HeaderValue | undefined): value is TensorDtype {
  return typeof value === "string" && Object.hasOwn(bytesOfDtype, value);
}

const tensorKeys = new Set(["dtype", "shape", "data_offsets"]);

function tensorRange(
  value: HeaderValue,
  { label, dataStart }: { label: string; dataStart: number },
): TensorRange {
  const info = objectOf(value, label);
  for (const key of info.keys()) {
    if (!tensorKeys.has(key)) throw malformed(`${label}: unexpected key ${shown(key)}`);
  }
  const dtype = info.get("dtype");
  if (!isDtype(dtype)) {
    const message = `${label}: expected a dtype of ${Object.keys(bytesOfDtype).join(", ")}`;
    throw new RetakeError(
      Code.InvalidArgument,
      "tensor-dtype",
      `${message}, got ${shown(dtype)}; convert it`,
    );
  }
  const shape = integersOf(info.get("shape"), `${label}.shape`);
  const [begin, end, ...more] = integersOf(info.get("data_offsets"), `${label}.data_offsets`);
  if (begin === undefined || end === undefined || more.length > 0 || begin > end) {
    throw malformed(`${label}: expected data_offsets [begin, end] with begin <= end`);
  }
  const byteLength = byteLengthOf(dtype, shape);
  if (byteLength !== end - begin) {
    const what = `${byteLength ?? "fewer"} bytes for ${dtype} ${shownShape(shape)}`;
    throw malformed(`${label}: expected ${what}, got ${end - begin}`);
  }
  if (!Number.isSafeInteger(dataStart + end)) throw malformed(`${label}: offsets are too large`);
  return { offset: dataStart + begin, byteLength, dtype, shape };
}

/** The tensors, in the order of their places, cover the data without overlap or hole. */
function assertCovered(
  tensors: ReadonlyMap<string, TensorRange>,
  file: { readonly label: string; readonly size: number; readonly dataStart: number },
): void {
  const ordered = [...tensors].sort(
    ([, a], [, b]) => a.offset - b.offset || a.byteLength - b.byteLength,
  );
  let end = file.dataStart;
  for (const [name, { offset, byteLength }] of ordered) {
    if (offset !== end) {
      const what = offset < end ? "overlaps the tensor before it" : "leaves a hole before it";
      throw malformed(
        `${file.label}: ${shown(name)} ${what}: expected offset ${end}, got ${offset}`,
      );
    }
    end = offset + byteLength;
  }
  if (end > file.size) {
    throw truncated(`${file.label}: expected ${end} bytes, got ${file.size}; fetch it again`);
  }
  if (end < file.size) {
    throw malformed(`${file.label}: expected ${end} bytes, got ${file.size}: data of no tensor`);
  }
}
