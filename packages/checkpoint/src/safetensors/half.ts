/** Types that hold weights. */
export type FloatDtype = "F32" | "F16" | "BF16";

export const bytesOfFloat: Readonly<Record<FloatDtype, number>> = { F32: 4, F16: 2, BF16: 2 };

let valuesOfHalf: Float32Array | undefined;

/** The value of every 16-bit pattern of IEEE binary16; made once (256 KiB). */
function halfTable(): Float32Array {
  if (valuesOfHalf !== undefined) return valuesOfHalf;
  const table = new Float32Array(65_536);
  for (let bits = 0; bits < table.length; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0) table[bits] = sign * fraction * 2 ** -24;
    else if (exponent < 31) table[bits] = sign * (1024 + fraction) * 2 ** (exponent - 25);
    else table[bits] = fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  }
  valuesOfHalf = table;
  return table;
}

/**
 * Widens the stored bytes to float32, exactly; NaN payloads are not kept.
 *
 * @param bytes   little-endian values; a start that is no multiple of the value's size is copied
 * @param target  as many values as `bytes` holds
 */
export function widenTo(target: Float32Array, bytes: Uint8Array, dtype: FloatDtype): void {
  if (dtype === "F32") {
    new Uint8Array(target.buffer, target.byteOffset, target.byteLength).set(bytes);
    return;
  }
  const even = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  const source = new Uint16Array(even.buffer, even.byteOffset, even.byteLength / 2);
  if (dtype === "BF16") {
    const bits = new Uint32Array(target.buffer, target.byteOffset, target.length);
    for (let i = 0; i < source.length; i++) bits[i] = (source[i] ?? 0) << 16;
    return;
  }
  const table = halfTable();
  for (let i = 0; i < source.length; i++) target[i] = table[source[i] ?? 0] ?? 0;
}

/** Index of the first NaN or infinity among the stored values, or -1. */
export function firstNotFinite(bytes: Uint8Array, dtype: FloatDtype): number {
  const size = bytesOfFloat[dtype];
  const even = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  const count = even.byteLength / size;
  const values =
    dtype === "F32"
      ? new Uint32Array(even.buffer, even.byteOffset, count)
      : new Uint16Array(even.buffer, even.byteOffset, count);
  const exponent = { F32: 0x7f800000, F16: 0x7c00, BF16: 0x7f80 }[dtype];
  for (let i = 0; i < count; i++) {
    if (((values[i] ?? 0) & exponent) === exponent) return i;
  }
  return -1;
}
