import { ShapeError } from "@retake/errors";
import type { Schedule } from "./schedule.js";

/** Latents, the noise to put on them, and how far, per item of the batch. */
export interface Noising {
  /** `[batch, ...]`, float32. */
  readonly latents: Float32Array;
  /** As `latents`; standard normal. */
  readonly noise: Float32Array;
  /** `[batch]`, integers: one timestep per clip. */
  readonly timesteps: readonly number[];
}

/**
 * Latents as they stand at a timestep.
 *
 *     sqrt(abar[t]) latents + sqrt(1 - abar[t]) noise
 *
 * In float32 throughout. The authors' mixed-precision run rounds abar to float16 first, which is
 * 7 % off at timestep 0; we do not.
 *
 * @returns  as `latents`, float32; the caller owns it
 * @throws ShapeError  if the sizes differ, or a timestep lies outside the schedule
 * @source Ho et al. 2020, arXiv:2006.11239, equation 4
 */
export function noisedLatents(schedule: Schedule, noising: Noising): Float32Array {
  return mixed(schedule, noising, (signal, noise) => [signal, noise]);
}

/**
 * What the network learns to predict: the noise, or with v-prediction the velocity.
 *
 *     v = sqrt(abar[t]) noise - sqrt(1 - abar[t]) latents
 *
 * @returns  as `latents`, float32; the caller owns it
 * @throws ShapeError  as `noisedLatents`
 * @source Salimans and Ho 2022, arXiv:2202.00512, "Progressive distillation", section 2.4
 */
export function tuningTarget(schedule: Schedule, noising: Noising): Float32Array {
  if (schedule.predictionType === "epsilon") return noising.noise.slice();
  return mixed(schedule, noising, (signal, noise) => [-noise, signal]);
}

/** The factors of latents and noise, given the roots of the shares of signal and noise. */
type Factors = (signal: number, noise: number) => readonly [latents: number, noise: number];

function mixed(schedule: Schedule, noising: Noising, factors: Factors): Float32Array {
  const { latents, noise, timesteps } = noising;
  const itemSize = latents.length / timesteps.length;
  if (latents.length !== noise.length || !Number.isInteger(itemSize)) {
    const counts = [latents, noise, timesteps].map((values) => values.length).join(", ");
    throw new ShapeError(`noising: expected latents, noise, timesteps to fit, got ${counts}`);
  }
  const result = new Float32Array(latents.length);
  for (const [item, timestep] of timesteps.entries()) {
    const share = schedule.alphasCumprod[timestep];
    if (share === undefined) throw new ShapeError(`noising: there is no timestep ${timestep}`);
    const [ofLatents, ofNoise] = factors(Math.sqrt(share), Math.sqrt(1 - share));
    for (let i = item * itemSize; i < (item + 1) * itemSize; i += 1) {
      result[i] = ofLatents * (latents[i] ?? 0) + ofNoise * (noise[i] ?? 0);
    }
  }
  return result;
}
