import { ShapeError } from "@retake/errors";
import { exponential } from "../random/elementary.js";

const logVarianceMin = -30;
const logVarianceMax = 20;

/** What the VAE's encoder says about a clip, unscaled, float32, all of one size and layout. */
export interface PosteriorMoments {
  readonly mean: Float32Array;
  readonly logVariance: Float32Array;
}

/**
 * Latents drawn from the VAE's posterior.
 *
 *     (mean + exp(clamp(logVariance, -30, 20) / 2) noise) latentScale
 *
 * @param noise   as the moments, standard normal; left out, the result is the scaled mean
 * @returns       as the moments, float32; the caller owns it
 * @throws ShapeError  if the sizes differ
 * @source Kingma and Welling 2013, arXiv:1312.6114, section 2.4; the library's clamp
 */
export function posteriorLatents(
  moments: PosteriorMoments,
  options: { readonly latentScale: number; readonly noise?: Float32Array },
): Float32Array {
  const { mean, logVariance } = moments;
  const { latentScale, noise } = options;
  if (mean.length !== logVariance.length || mean.length !== (noise?.length ?? mean.length)) {
    const sizes = [mean.length, logVariance.length, noise?.length].join(", ");
    throw new ShapeError(`posterior: expected mean, log-variance, noise of one size, got ${sizes}`);
  }
  return mean.map((centre, i) => {
    const clamped = Math.min(Math.max(logVariance[i] ?? 0, logVarianceMin), logVarianceMax);
    const spread = noise === undefined ? 0 : exponential(0.5 * clamped) * (noise[i] ?? 0);
    return (centre + spread) * latentScale;
  });
}
