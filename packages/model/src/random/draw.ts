import { Purpose, randomInteger, randomNormals, type Seed } from "./random-stream.js";

/** Where a draw stands: its numbers depend on these three and on nothing else. */
export interface DrawOptions {
  readonly seed: Seed;
  /** Optimiser step, from 0. */
  readonly step: number;
  /** Which of the step's draws, from 0. */
  readonly drawIndex: number;
  /** Shape of the latents that the noise is for. */
  readonly latentShape: readonly number[];
  /** Timesteps of the schedule: 1000 in SD 1.x. */
  readonly timestepCount: number;
}

/** The random numbers of one draw of one tuning step. */
export interface Draw {
  /** Integer, 0 ... timestepCount - 1, each equally likely. */
  readonly timestep: number;
  /** `latentShape`, float32, standard normal: what is added to the latents. */
  readonly noise: Float32Array;
  /** `latentShape`, float32, standard normal: what samples the VAE's posterior. */
  readonly posteriorNoise: Float32Array;
}

/**
 * The random numbers of one draw, the same on every node, platform and Node version.
 *
 * @throws RetakeError  `bad-option` if the seed is no integer of 64 bits
 */
export function createDraw(options: DrawOptions): Draw {
  const { seed, step, drawIndex, latentShape, timestepCount } = options;
  const count = latentShape.reduce((product, size) => product * size, 1);
  const position = [drawIndex, step] as const;
  return {
    timestep: randomInteger({ seed, purpose: Purpose.Timestep, position }, timestepCount),
    noise: randomNormals({ seed, purpose: Purpose.Noise, position }, count),
    posteriorNoise: randomNormals({ seed, purpose: Purpose.PosteriorNoise, position }, count),
  };
}
