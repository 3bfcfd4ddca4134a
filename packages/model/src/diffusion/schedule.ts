import { sineAndCosine } from "../random/elementary.js";
import type { ScheduleConfig } from "./config.js";

/** How much signal and noise a latent holds at each timestep. */
export interface Schedule {
  /** `[timestepCount]`, float32: the variance that each timestep adds. */
  readonly betas: Float32Array;
  /** `[timestepCount]`, float32: the share of signal variance left at each timestep. */
  readonly alphasCumprod: Float32Array;
  /** The share of signal at the end of sampling: 1, or that of timestep 0. */
  readonly finalAlphaCumprod: number;
  readonly timestepCount: number;
  readonly stepsOffset: number;
  readonly predictionType: ScheduleConfig["predictionType"];
}

/** Largest beta of the cosine schedule, as its authors set it. */
const cosineBetaMax = 0.999;

/**
 * The noise schedule of a checkpoint.
 *
 *     alphasCumprod[t] = (1 - beta[0]) (1 - beta[1]) ... (1 - beta[t])
 *
 * Rounded where the reference rounds (betas and factors to float32, the running product in
 * float64), so that SD 1.x's numbers are the reference's to the bit.
 *
 * @source Ho et al. 2020, arXiv:2006.11239, "Denoising Diffusion Probabilistic Models", section 2
 */
export function noiseSchedule(config: ScheduleConfig): Schedule {
  const betas = config.betaSchedule === "squaredcos_cap_v2" ? cosineBetas(config) : lineOf(config);
  const alphasCumprod = new Float32Array(betas.length);
  let product = 1;
  for (const [timestep, beta] of betas.entries()) {
    product *= Math.fround(1 - beta);
    alphasCumprod[timestep] = product;
  }
  return {
    betas,
    alphasCumprod,
    finalAlphaCumprod: config.setAlphaToOne ? 1 : (alphasCumprod[0] ?? 1),
    timestepCount: config.timestepCount,
    stepsOffset: config.stepsOffset,
    predictionType: config.predictionType,
  };
}

/** Betas on a line, or squares of a line between the roots ("scaled linear"). */
function lineOf(config: ScheduleConfig): Float32Array {
  const { timestepCount, betaStart, betaEnd } = config;
  if (config.betaSchedule === "linear") return evenSteps(betaStart, betaEnd, timestepCount);
  const roots = evenSteps(Math.sqrt(betaStart), Math.sqrt(betaEnd), timestepCount);
  return roots.map((root) => root * root);
}

/** `count` numbers from `first` to `last`, from both ends to the middle as the reference counts. */
function evenSteps(first: number, last: number, count: number): Float32Array {
  const from = Math.fround(first);
  const to = Math.fround(last);
  const step = count > 1 ? Math.fround(Math.fround(to - from) / (count - 1)) : 0;
  const half = Math.floor(count / 2);
  return Float32Array.from({ length: count }, (_, i) =>
    i < half || count === 1 ? from + step * i : to - step * (count - 1 - i),
  );
}

/** @source Nichol and Dhariwal 2021, arXiv:2102.09672, "Improved DDPM", equation 17 */
function cosineBetas(config: ScheduleConfig): Float32Array {
  const signal = (time: number): number => {
    const [, cosine] = sineAndCosine((((time + 0.008) / 1.008) * Math.PI) / 2);
    return cosine * cosine;
  };
  const count = config.timestepCount;
  return Float32Array.from({ length: count }, (_, i) =>
    Math.min(1 - signal((i + 1) / count) / signal(i / count), cosineBetaMax),
  );
}

/** The share of signal at a timestep; before the first timestep, that of the end of sampling. */
export function signalShare(schedule: Schedule, timestep: number): number {
  if (timestep < 0) return schedule.finalAlphaCumprod;
  return schedule.alphasCumprod[timestep] ?? Number.NaN;
}
