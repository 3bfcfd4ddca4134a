import { vaeFactor, vaeTensors } from "@retake/model";
import { vectorLayout } from "@retake/model/tuning";
import type { Share } from "./phase.js";
import { wholePicture, writeCrop } from "./picture-crops.js";
import { networksOf, type Recipe } from "./recipe.js";
import { openProgram } from "./run-program.js";
import type { LatentSet, PictureSet } from "./training-data.js";
import { encodedAtOnce, encodingProgram } from "./vae-phase.js";

/** Encodes a worker's part of a set of pictures, so many at once. */
export async function encodePictures(of: {
  readonly recipe: Recipe;
  readonly share: Share;
  /** `[length]`, float32: the VAE's. */
  readonly weights: Float32Array;
  readonly set: PictureSet;
  readonly latents: LatentSet;
}): Promise<void> {
  const { recipe, share, weights, set, latents } = of;
  const { vae } = networksOf(recipe);
  const layout = vectorLayout(vaeTensors(vae));
  const program = await openProgram(encodingProgram(layout, vae, set.side));
  const cells = vae.latentChannels * (set.side / vaeFactor(vae)) ** 2;
  const begin = Math.floor((set.count * share.index) / share.count);
  const end = Math.floor((set.count * (share.index + 1)) / share.count);
  const pixels = new Float32Array(encodedAtOnce * 3 * set.side ** 2);
  for (let first = begin; first < end; first += encodedAtOnce) {
    const count = Math.min(encodedAtOnce, end - first);
    for (let at = 0; at < count; at += 1) {
      writeCrop(pixels, at, { set, crop: wholePicture(set, first + at) });
    }
    const { mean, logvar } = await program.run({ weights, pixels });
    if (mean === undefined || logvar === undefined) throw new Error("encode: expected moments");
    latents.mean.set(mean.subarray(0, count * cells), first * cells);
    latents.logVariance.set(logvar.subarray(0, count * cells), first * cells);
  }
}
