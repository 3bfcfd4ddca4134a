import { ShapeError } from "@retake/errors";
import { type Schedule, signalShare } from "./schedule.js";
import { timestepBefore } from "./timesteps.js";

/** One DDIM iteration, in either direction. */
export interface DdimStep {
  /** Float32, any layout: where the iteration starts. */
  readonly latents: Float32Array;
  /** As `latents`: what the network said about them (noise, or velocity). */
  readonly prediction: Float32Array;
  /** The timestep that the network was asked about: one of `samplingTimesteps`. */
  readonly timestep: number;
  readonly samplingCount: number;
}

/**
 * Latents one denoising iteration further (eta 0): from `timestep` to the one before it.
 *
 *     x0 = (x - sqrt(1 - abar[t]) e) / sqrt(abar[t])
 *     next = sqrt(abar[p]) x0 + sqrt(1 - abar[p]) e,  p = t - floor(timestepCount / samplingCount)
 *
 * With v-prediction, x0 = sqrt(abar) x - sqrt(1 - abar) v and e = sqrt(abar) v + sqrt(1 - abar) x.
 *
 * @returns  as `latents`, float32; the caller owns it
 * @throws ShapeError  if the sizes differ
 * @source Song et al. 2020, arXiv:2010.02502, equation 12
 */
export function denoisedLatents(schedule: Schedule, step: DdimStep): Float32Array {
  const before = timestepBefore(schedule, step);
  return moved(schedule, step, { from: step.timestep, to: before });
}

/**
 * Latents one inversion iteration further: from the timestep before `timestep` up to it.
 *
 * The network is asked at the destination's timestep about the origin's latents, with the empty
 * prompt and no guidance, as in the authors' code. Their formula knows noise only; with
 * v-prediction we take the noise that the velocity implies at the origin's level.
 *
 * @returns  as `latents`, float32; the caller owns it
 * @throws ShapeError  if the sizes differ
 * @source Wu et al. 2023, arXiv:2212.11565, "DDIM inversion"; `next_step` in the authors' code
 */
export function invertedLatents(schedule: Schedule, step: DdimStep): Float32Array {
  const before = timestepBefore(schedule, step);
  return moved(schedule, step, { from: before, to: step.timestep });
}

/**
 * The clean latents that a prediction implies: x0 of `denoisedLatents`.
 *
 * @returns  as `latents`, float32; the caller owns it
 */
export function impliedLatents(schedule: Schedule, step: DdimStep): Float32Array {
  return moved(schedule, step, { from: step.timestep, to: "clean" });
}

function moved(
  schedule: Schedule,
  step: DdimStep,
  levels: { readonly from: number; readonly to: number | "clean" },
): Float32Array {
  const { latents, prediction } = step;
  if (latents.length !== prediction.length) {
    const sizes = `${latents.length} and ${prediction.length}`;
    throw new ShapeError(`prediction: expected as many values as latents, got ${sizes}`);
  }
  const origin = signalShare(schedule, levels.from);
  const signal = Math.sqrt(origin);
  const noise = Math.sqrt(1 - origin);
  const target = levels.to === "clean" ? 1 : signalShare(schedule, levels.to);
  const signalNext = Math.sqrt(target);
  const noiseNext = Math.sqrt(1 - target);
  const isVelocity = schedule.predictionType === "v_prediction";
  const result = new Float32Array(latents.length);
  for (let i = 0; i < result.length; i += 1) {
    const x = latents[i] ?? 0;
    const p = prediction[i] ?? 0;
    const clean = isVelocity ? signal * x - noise * p : (x - noise * p) / signal;
    const added = isVelocity ? signal * p + noise * x : p;
    result[i] = signalNext * clean + noiseNext * added;
  }
  return result;
}
