import { chances, type ItemKey } from "./batch-chances.js";
import type { Recipe } from "./recipe.js";
import type { LatentSet, PictureSet, TrainingData } from "./training-data.js";

/** The chance of an item that decides its colours; crops take those before it. */
const colourChance = 5;

/** Pictures, and what the encoder says of them, once they are encoded. */
export interface PictureSource {
  readonly set: PictureSet;
  readonly latents: LatentSet | undefined;
}

/** Where the VAE's items come from: mostly the scenes, else the same in other colours. */
export function sourceOfItem(
  key: ItemKey,
  { recipe, data }: { readonly recipe: Recipe; readonly data: TrainingData },
): PictureSource {
  const chance = chances(key, colourChance + 1)[colourChance] ?? 0;
  if (chance >= recipe.recolouredShare) return { set: data.scenes, latents: data.sceneLatents };
  if (data.recoloured === undefined) throw new Error("recoloured: expected pictures by now");
  return { set: data.recoloured, latents: data.recolouredLatents };
}
