import { posteriorLatents } from "@retake/model/diffusion";
import type { Crop } from "./picture-crops.js";
import type { LatentSet } from "./training-data.js";

/** Sizes of one picture's latents. */
export interface LatentGeometry {
  readonly channels: number;
  /** Cells to a side. */
  readonly side: number;
}

function present(latents: LatentSet | undefined): LatentSet {
  if (latents === undefined) throw new Error("latents: expected pictures to be encoded by now");
  return latents;
}

/**
 * Latents of a picture, or of a square of it in cells, drawn from their posterior, unscaled.
 *
 * @param item.noise  `[channels, crop.side, crop.side]`, standard normal
 * @returns           as the noise
 */
export function drawnLatents(
  latents: LatentSet | undefined,
  { channels, side }: LatentGeometry,
  { crop, noise }: { readonly crop: Crop; readonly noise: Float32Array },
): Float32Array {
  const cut = (values: Float32Array): Float32Array => {
    const part = new Float32Array(noise.length);
    for (let line = 0; line < channels * crop.side; line += 1) {
      const channel = Math.floor(line / crop.side);
      const row = crop.top + (line % crop.side);
      const from = ((crop.picture * channels + channel) * side + row) * side + crop.left;
      part.set(values.subarray(from, from + crop.side), line * crop.side);
    }
    return part;
  };
  const { mean, logVariance } = present(latents);
  const moments = { mean: cut(mean), logVariance: cut(logVariance) };
  return posteriorLatents(moments, { latentScale: 1, noise });
}

/** The mean of a picture's latents, unscaled. */
export function meanOfLatents(
  latents: LatentSet | undefined,
  { picture, cells }: { readonly picture: number; readonly cells: number },
): Float32Array {
  return present(latents).mean.subarray(picture * cells, (picture + 1) * cells);
}
