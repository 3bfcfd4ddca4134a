const bits = new Uint32Array(1);
const value = new Float32Array(bits.buffer);

/**
 * Rounds float32 to IEEE binary16, to the nearest, ties to even.
 *
 * @returns  the patterns, little-endian bytes, 2 per value
 * @throws RangeError  for what is no finite number of half precision
 */
export function halfBytes(values: Float32Array): Uint8Array {
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i += 1) halves[i] = halfOf(values[i] ?? 0);
  return new Uint8Array(halves.buffer);
}

function halfOf(number: number): number {
  value[0] = number;
  const pattern = bits[0] ?? 0;
  const sign = (pattern >>> 16) & 0x8000;
  const magnitude = Math.abs(number);
  if (!(magnitude < 65520)) throw new RangeError(`half: expected less than 65520, got ${number}`);
  // Below 2^-14 halves are multiples of 2^-24: a float32 sum with 2^-1 rounds to them.
  if (magnitude < 2 ** -14) {
    value[0] = magnitude + 0.5;
    return sign | ((bits[0] ?? 0) - 0x3f000000);
  }
  const wide = (pattern & 0x7fffffff) - 0x38000000;
  const isOdd = (wide >>> 13) & 1;
  return sign | ((wide + 0xfff + isOdd) >>> 13);
}
