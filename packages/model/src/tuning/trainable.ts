import type { WeightSpec } from "../program.js";

/**
 * Which tensors a tuning changes: `paper` all that the authors declare; `reference` those that
 * really get a gradient in the authors' default run (mid and up path), where re-entrant
 * checkpointing cuts the down path off.
 */
export type TuningMode = "paper" | "reference";

const trainableRule = /(^|\.)(attn1\.to_q|attn2\.to_q|attn_temp)\./;
const referenceRule = /^(mid_block|up_blocks)\./;

/** Whether a tuning in the given mode changes the tensor. */
export function isTrainable(name: string, mode: TuningMode): boolean {
  return trainableRule.test(name) && (mode === "paper" || referenceRule.test(name));
}

/**
 * The tensors that a tuning changes, in the order given. All others are left alone altogether:
 * no gradient, no moments, no decay.
 *
 * @param tensors  those of the U-Net, or any part of them
 * @source Wu et al. 2023, arXiv:2212.11565, section 4.1; `trainable_modules` in the authors' code
 */
export function trainableTensors(
  tensors: readonly WeightSpec[],
  mode: TuningMode,
): readonly WeightSpec[] {
  return tensors.filter(({ name }) => isTrainable(name, mode));
}
