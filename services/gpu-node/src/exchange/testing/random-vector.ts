/**
 * Float32 values of very different sizes and both signs, so that the order of a sum shows in its
 * bits. The same seed gives the same vector.
 */
export function randomVector(length: number, seed: number): Float32Array {
  let state = (seed * 2654435761 + 12345) >>> 0;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Float32Array.from({ length }, () => (next() - 0.5) * 10 ** Math.floor(next() * 6 - 3));
}

/** A vector's bits: unlike its values, they tell -0 from 0. */
export function bitsOf(vector: Float32Array): Uint32Array {
  return new Uint32Array(vector.buffer, vector.byteOffset, vector.length);
}
