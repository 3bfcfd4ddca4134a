import type { Purpose, RandomStream, Seed } from "./random-stream.js";

const offsetBasis = 0xcbf29ce484222325n;
const prime = 0x100000001b3n;
const mask = (1n << 64n) - 1n;

/**
 * The stream of random numbers that belongs to a named tensor. Keyed by the name, so that adding a
 * tensor, or visiting them in another order, changes no other tensor's numbers.
 *
 * @param options.name  the tensor's key in the checkpoint
 * @source the name is hashed by FNV-1a, 64 bit (Fowler, Noll and Vo, 1991)
 */
export function tensorStream(options: {
  readonly seed: Seed;
  readonly purpose: Purpose;
  readonly name: string;
}): RandomStream {
  let hash = offsetBasis;
  for (const byte of new TextEncoder().encode(options.name)) {
    hash = ((hash ^ BigInt(byte)) * prime) & mask;
  }
  const position = [Number(hash & 0xffffffffn), Number(hash >> 32n)] as const;
  return { seed: options.seed, purpose: options.purpose, position };
}
