import { malformed } from "../files/file-errors.js";

/** Reads a pickle's bytes in order; what lies beyond the end is an error, never undefined. */
export interface PickleBytes {
  readonly label: string;
  readonly position: () => number;
  readonly byte: () => number;
  readonly uint16: () => number;
  readonly uint32: () => number;
  readonly int32: () => number;
  readonly float64BigEndian: () => number;
  readonly take: (count: number) => Uint8Array;
  readonly text: (count: number) => string;
  /** Up to the next line feed, which is stepped over. */
  readonly line: () => string;
}

/** @param start  where the pickle begins in `bytes` */
export function pickleBytes(
  bytes: Uint8Array,
  { label, start }: { readonly label: string; readonly start: number },
): PickleBytes {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const utf8 = new TextDecoder();
  let position = start;
  /** Steps over `count` bytes and gives where they began. */
  const step = (count: number): number => {
    const from = position;
    if (count > bytes.byteLength - from) {
      throw malformed(`${label}: expected ${count} bytes at ${from}, got the pickle's end`);
    }
    position += count;
    return from;
  };
  const take = (count: number): Uint8Array => {
    const from = step(count);
    return bytes.subarray(from, from + count);
  };
  return {
    label,
    position: () => position,
    byte: () => view.getUint8(step(1)),
    uint16: () => view.getUint16(step(2), true),
    uint32: () => view.getUint32(step(4), true),
    int32: () => view.getInt32(step(4), true),
    float64BigEndian: () => view.getFloat64(step(8), false),
    take,
    text: (count) => utf8.decode(take(count)),
    line: () => {
      const end = bytes.indexOf(0x0a, position);
      const text = utf8.decode(take(end < 0 ? bytes.byteLength + 1 : end - position));
      step(1);
      return text;
    },
  };
}
