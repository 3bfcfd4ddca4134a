import { exponential, sineAndCosine } from "../random/elementary.js";

const lnOfPeriodMax = 9.210340371976184;

/**
 * Timesteps as waves of falling frequency, the input of the U-Net's time embedding.
 *
 *     angle[t, i] = t exp(-ln(10000) i / (channels / 2 - freqShift))
 *
 * Sines first, then cosines, or the other way round with `flipSinToCos`. In float64, rounded once;
 * the reference's float32 angles are off by up to 6e-5 at timestep 981.
 *
 * @param options.blockOutChannels  the first is the number of channels
 * @param timesteps  `[batch]`
 * @returns          `[batch, channels]`, float32, -1...1; the caller owns it
 * @source Vaswani et al. 2017, arXiv:1706.03762, section 3.5; Ho et al. 2020, arXiv:2006.11239
 */
export function timestepSinusoid(
  options: {
    readonly blockOutChannels: readonly number[];
    readonly flipSinToCos: boolean;
    readonly freqShift: number;
  },
  timesteps: readonly number[],
): Float32Array {
  const channels = options.blockOutChannels[0] ?? 0;
  const half = Math.floor(channels / 2);
  const result = new Float32Array(timesteps.length * channels);
  for (const [row, timestep] of timesteps.entries()) {
    for (let i = 0; i < half; i += 1) {
      const frequency = exponential((-lnOfPeriodMax * i) / (half - options.freqShift));
      const [sine, cosine] = sineAndCosine(timestep * frequency);
      const at = row * channels + i;
      result[at] = options.flipSinToCos ? cosine : sine;
      result[at + half] = options.flipSinToCos ? sine : cosine;
    }
  }
  return result;
}
