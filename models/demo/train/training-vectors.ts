import type { TuningState } from "@retake/model/tuning";
import { sharedFloats } from "./training-data.js";

/** All vectors of a phase's training, in memory that all workers share. */
export interface TrainingVectors extends TuningState {
  /** The running average of the weights: what is kept in the end. */
  readonly average: Float32Array;
  /** One per worker: the gradient of its part of a batch. */
  readonly gradients: readonly Float32Array[];
}

/** What of them is saved: the rest lasts for a step. */
export type SavedVectors = Omit<TrainingVectors, "gradients">;

/** Vectors to begin a phase with: both weights and their average are `start`. */
export function startVectors(start: Float32Array): SavedVectors {
  const { length } = start;
  return {
    ...{ weights: start, average: start },
    firstMoment: new Float32Array(length),
    secondMoment: new Float32Array(length),
  };
}

/** Copies of the vectors that workers can see, and space for their gradients. */
export function sharedVectors(saved: SavedVectors, workerCount: number): TrainingVectors {
  const shared = (values: Float32Array): Float32Array => {
    const copy = sharedFloats(values.length);
    copy.set(values);
    return copy;
  };
  return {
    weights: shared(saved.weights),
    firstMoment: shared(saved.firstMoment),
    secondMoment: shared(saved.secondMoment),
    average: shared(saved.average),
    gradients: Array.from({ length: workerCount }, () => sharedFloats(saved.weights.length)),
  };
}
