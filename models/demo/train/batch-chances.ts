import { Purpose, randomNormals, randomUniforms } from "@retake/model/random";

/** Where an item of a batch stands: its chances depend on these three and on nothing else. */
export interface ItemKey {
  readonly seed: bigint;
  readonly step: number;
  /** Which item of the step's whole batch, from 0; not which of a worker's. */
  readonly item: number;
}

const position = ({ item, step }: ItemKey): readonly [number, number] => [item, step];

/** So many numbers of 0...1, the ends excluded. */
export function chances(key: ItemKey, count: number): Float32Array {
  const stream = { seed: key.seed, purpose: Purpose.Timestep, position: position(key) };
  return randomUniforms(stream, { count, bound: 0.5 }).map((value) => value + 0.5);
}

/** An integer, 0...below - 1, by a number of 0...1. */
export function integerBy(chance: number, { below: limit }: { readonly below: number }): number {
  return Math.min(limit - 1, Math.floor(chance * limit));
}

/** The noise that is added to an item's latents: standard normal. */
export function noiseOfItem(key: ItemKey, count: number): Float32Array {
  return randomNormals({ ...key, purpose: Purpose.Noise, position: position(key) }, count);
}

/** The noise that draws an item's latents from their posterior: standard normal. */
export function posteriorNoiseOfItem(key: ItemKey, count: number): Float32Array {
  return randomNormals({ ...key, purpose: Purpose.PosteriorNoise, position: position(key) }, count);
}

/** A third noise, for what a phase wants besides: standard normal. */
export function extraNoiseOfItem(key: ItemKey, count: number): Float32Array {
  return randomNormals({ ...key, purpose: Purpose.StartNoise, position: position(key) }, count);
}
