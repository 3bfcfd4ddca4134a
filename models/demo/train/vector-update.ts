import {
  type AdamWSettings,
  applyAdamW,
  shardRanges,
  sumOfSquares,
  type VectorRange,
} from "@retake/model/tuning";
import type { Share } from "./phase.js";
import type { TrainingVectors } from "./training-vectors.js";

/** The shards of a vector that a worker looks after: one after the other. */
export function shardsOf(length: number, { index, count }: Share): readonly VectorRange[] {
  const all = shardRanges(length);
  const begin = Math.floor((all.length * index) / count);
  return all.slice(begin, Math.floor((all.length * (index + 1)) / count));
}

/**
 * Adds the workers' gradients up, in their order, into the first one, in some shards.
 *
 * @returns  each shard's sum of squares
 */
export function reduceGradients(
  { gradients }: TrainingVectors,
  shards: readonly VectorRange[],
): number[] {
  const [sum, ...others] = gradients;
  if (sum === undefined) throw new Error("gradients: expected those of one worker at least");
  return shards.map((shard) => {
    for (const gradient of others) {
      for (let i = shard.begin; i < shard.end; i += 1) sum[i] = (sum[i] ?? 0) + (gradient[i] ?? 0);
    }
    return sumOfSquares(sum, shard);
  });
}

/** One update of a step. */
export interface VectorUpdate {
  /** Which update this is, from 0. */
  readonly step: number;
  readonly clipFactor: number;
  readonly settings: AdamWSettings;
  /** The share of itself that the running average keeps. */
  readonly averageKeep: number;
}

/** Applies AdamW to some shards, and takes their weights into the average. */
export function updateVectors(
  vectors: TrainingVectors,
  shards: readonly VectorRange[],
  { step, clipFactor, settings, averageKeep }: VectorUpdate,
): void {
  const { weights, average, gradients } = vectors;
  const [gradient] = gradients;
  if (gradient === undefined) throw new Error("gradients: expected those of one worker at least");
  const [first, last] = [shards[0], shards.at(-1)];
  if (first === undefined || last === undefined) return;
  const range = { begin: first.begin, end: last.end };
  applyAdamW(vectors, { gradient, clipFactor, step, range }, settings);
  const mix = 1 - averageKeep;
  for (let i = range.begin; i < range.end; i += 1) {
    const before = average[i] ?? 0;
    average[i] = before + mix * ((weights[i] ?? 0) - before);
  }
}
