import type { Program } from "@retake/model";
import type { VectorLayout } from "@retake/model/tuning";
import type { Recipe } from "./recipe.js";
import type { TrainingData } from "./training-data.js";

/** Which of the workers, and how many there are: each takes so many items of every batch. */
export interface Share {
  readonly index: number;
  readonly count: number;
}

/** The arrays that a program is called with, by the names of its inputs. */
export type Arrays = Readonly<Record<string, Float32Array | Int32Array>>;

/** A call of one of a phase's programs. */
export interface ProgramCall {
  readonly program: string;
  readonly inputs: Arrays;
}

/** What a phase computes, as a worker sees it. */
export interface PhaseWork {
  /** The weights that the phase trains. */
  readonly layout: VectorLayout;
  readonly programs: Readonly<Record<string, () => Program>>;
  /** The part of a step's batch that this worker computes loss and gradient of. */
  readonly step: (step: number) => ProgramCall;
  /** What is measured besides, on pictures that are not trained on: programs with an `error`. */
  readonly validation: Readonly<Record<string, () => ProgramCall>>;
}

/** What a phase's work is made from. */
export interface PhaseGiven {
  readonly recipe: Recipe;
  readonly data: TrainingData;
  readonly share: Share;
}

/** The items of a batch that a worker takes, from the first up to the end. */
export function itemsOf(batch: number, { index, count }: Share): number[] {
  if (batch % count !== 0) throw new Error(`batch: expected a multiple of ${count}, got ${batch}`);
  const each = batch / count;
  return Array.from({ length: each }, (_, i) => index * each + i);
}
