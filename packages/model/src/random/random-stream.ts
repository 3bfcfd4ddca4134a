import { Code, RetakeError } from "@retake/errors";
import { logarithmOfUniform, sineAndCosine } from "./elementary.js";
import { type PhiloxKey, writePhiloxBlock } from "./philox.js";

/** A job's seed: an integer, 0 ... 2^53 - 1 as a number, 0 ... 2^64 - 1 as a bigint. */
export type Seed = number | bigint;

/** What random numbers are for. Part of every counter, so that no two purposes share numbers. */
export const Purpose = {
  Timestep: 0,
  Noise: 1,
  PosteriorNoise: 2,
  TemporalInitialisation: 3,
  StartNoise: 4,
} as const;
export type Purpose = (typeof Purpose)[keyof typeof Purpose];

/**
 * Names one endless sequence of random words: by the job's seed, what they are for, and two words
 * (step and draw, or the hash of a tensor's name). Never by rank or number of nodes.
 */
export interface RandomStream {
  readonly seed: Seed;
  readonly purpose: Purpose;
  readonly position: readonly [number, number];
}

const twoTo32 = 4294967296;
const twoPiOverTwoTo32 = (2 * Math.PI) / twoTo32;
const seedLimit = 1n << 64n;

/**
 * Splits a seed into the generator's key.
 *
 * @throws RetakeError  `bad-option` if the seed is no integer of 64 bits
 */
export function keyOfSeed(seed: Seed): PhiloxKey {
  const isSafe = typeof seed === "bigint" || Number.isSafeInteger(seed);
  const wide = isSafe ? BigInt(seed) : -1n;
  if (wide < 0n || wide >= seedLimit) {
    const message = `seed: expected an integer from 0 to 2^53 - 1, got ${seed}`;
    throw new RetakeError(Code.InvalidArgument, "bad-option", message);
  }
  return [Number(wide & 0xffffffffn), Number(wide >> 32n)];
}

/** The first `count` words of a stream, each an integer 0 ... 2^32 - 1. */
export function randomWords(stream: RandomStream, count: number): Uint32Array {
  const key = keyOfSeed(stream.seed);
  const [first, second] = stream.position;
  const words = new Uint32Array(Math.ceil(count / 4) * 4);
  for (let block = 0; block * 4 < count; block += 1) {
    writePhiloxBlock(words, block * 4, { counter: [block, first, second, stream.purpose], key });
  }
  return words.subarray(0, count);
}

/**
 * One integer, every value equally likely.
 *
 * Words beyond the last whole multiple of `limit` are passed over, so that no value is favoured.
 *
 * @param limit  1 ... 2^32
 * @returns      integer, 0 ... limit - 1
 */
export function randomInteger(stream: RandomStream, limit: number): number {
  const wholeMultiple = twoTo32 - (twoTo32 % limit);
  for (let count = 4; ; count *= 2) {
    const word = randomWords(stream, count).find((candidate) => candidate < wholeMultiple);
    if (word !== undefined) return word % limit;
  }
}

/**
 * Uniform variates between `-bound` and `bound`, both excluded.
 *
 * @returns  `[count]`, float32
 */
export function randomUniforms(
  stream: RandomStream,
  options: { readonly count: number; readonly bound: number },
): Float32Array {
  const { count, bound } = options;
  const words = randomWords(stream, count);
  const uniforms = new Float32Array(count);
  for (let i = 0; i < count; i += 1) {
    uniforms[i] = bound * (((words[i] ?? 0) + 0.5) / (twoTo32 / 2) - 1);
  }
  return uniforms;
}

/**
 * Standard normal variates, by Box and Muller's transform of word pairs (u, v):
 *
 *     sqrt(-2 ln u) cos(2 pi v),  sqrt(-2 ln u) sin(2 pi v)
 *
 * Computed in float64 with elementary operations only, rounded once; at most 6.77 either way.
 *
 * @returns  `[count]`, float32
 * @source Box and Muller 1958, "A note on the generation of random normal deviates"
 */
export function randomNormals(stream: RandomStream, count: number): Float32Array {
  const words = randomWords(stream, Math.ceil(count / 2) * 2);
  const normals = new Float32Array(words.length);
  for (let i = 0; i < words.length; i += 2) {
    const radius = Math.sqrt(-2 * logarithmOfUniform(words[i] ?? 0));
    const [sine, cosine] = sineAndCosine(((words[i + 1] ?? 0) + 0.5) * twoPiOverTwoTo32);
    normals[i] = radius * cosine;
    normals[i + 1] = radius * sine;
  }
  return normals.subarray(0, count);
}
