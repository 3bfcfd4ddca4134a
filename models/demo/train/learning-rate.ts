import { sineAndCosine } from "@retake/model/random";
import type { PhaseSettings } from "./recipe.js";

/**
 * The rate of a step: it grows to the phase's rate over the warm-up, then falls along half a cosine
 * to a share of it.
 *
 * @source Loshchilov and Hutter 2016, arXiv:1608.03983, equation 5, without restarts
 */
export function learningRate(
  step: number,
  { rate, warmupSteps, finalShare, steps }: Omit<PhaseSettings, "batch" | "averageKeep">,
): number {
  if (step < warmupSteps) return (rate * (step + 1)) / warmupSteps;
  const done = (step - warmupSteps) / Math.max(1, steps - warmupSteps);
  const [, cosine] = sineAndCosine(Math.PI * Math.min(1, done));
  return rate * (finalShare + ((1 - finalShare) * (1 + cosine)) / 2);
}

/** The average keeps less at first, so that it forgets the random start. */
export function averageKeep(step: number, { averageKeep: most }: PhaseSettings): number {
  return Math.min(most, (1 + step) / (10 + step));
}
