/** A slice of the flat trainable vector: from `begin` up to, not including, `end`. */
export interface VectorRange {
  readonly begin: number;
  readonly end: number;
}

/** Into how many shards the flat trainable vector is cut, whatever the number of nodes. */
export const shardCount = 64;
/** Keeps the clip factor finite where the norm is zero; PyTorch's number. */
const normFloor = 1e-6;

/** The shards of a flat vector: as even as integers allow, in order, some empty if it is short. */
export function shardRanges(length: number): readonly VectorRange[] {
  return Array.from({ length: shardCount }, (_, i) => ({
    begin: Math.floor((length * i) / shardCount),
    end: Math.floor((length * (i + 1)) / shardCount),
  }));
}

/** The sum of the squares of a shard, in float64, from its first value to its last. */
export function sumOfSquares(vector: Float32Array, range: VectorRange): number {
  let sum = 0;
  for (let i = range.begin; i < range.end; i += 1) {
    const value = vector[i] ?? 0;
    sum += value * value;
  }
  return sum;
}

/**
 * The global norm of a gradient, from the sums of squares of its shards, added in shard order.
 * Shards may be summed by anyone; the norm has the same bits. Not finite if the gradient is not.
 */
export function gradientNorm(shardSums: readonly number[]): number {
  return Math.sqrt(shardSums.reduce((total, sum) => total + sum, 0));
}

/** The global norm of a whole gradient: as if its shards had been summed apart. */
export function vectorNorm(vector: Float32Array): number {
  return gradientNorm(shardRanges(vector.length).map((range) => sumOfSquares(vector, range)));
}

/**
 * What a gradient is multiplied by so that its norm stays below a limit.
 *
 *     min(1, normMax / (norm + 1e-6))
 *
 * @returns  0...1, float32
 * @source Pascanu et al. 2012, arXiv:1211.5063, section 3.2; the 1e-6 is PyTorch's
 */
export function clipFactor(norm: number, options: { readonly normMax: number }): number {
  return Math.fround(Math.min(1, options.normMax / (norm + normFloor)));
}
