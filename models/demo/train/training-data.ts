import type { Tokenizer } from "@retake/checkpoint";
import { clip } from "../world/clip.js";
import { type Box, scene } from "../world/scene.js";
import type { Values } from "./array-file.js";
import type { Recipe } from "./recipe.js";

/** Pictures with their captions, in memory that all workers share. */
export interface PictureSet {
  readonly count: number;
  /** Pixels to a side. */
  readonly side: number;
  /** `[count, 3, side, side]`, 0...255. */
  readonly pixels: Uint8Array;
  /** `[count, 3]`: left, top and side of each subject's box, in pixels. */
  readonly boxes: Float32Array;
  /** `[count, promptTokens]`: the caption. */
  readonly ids: Int32Array;
  readonly promptTokens: number;
}

/** What the VAE's encoder says of a set of pictures: `[count, latentChannels, cells, cells]`. */
export interface LatentSet {
  readonly mean: Float32Array;
  readonly logVariance: Float32Array;
}

/** All that the phases train on. */
export interface TrainingData {
  /** Training pictures, then those for validation. */
  readonly scenes: PictureSet;
  /** Frames of clips, one clip after the other. */
  readonly clips: PictureSet;
  /** The empty prompt. */
  readonly emptyIds: Int32Array;
  /** The scenes in other colours, in the same order: the VAE has to know them, the U-Net not. */
  readonly recoloured?: PictureSet;
  readonly sceneLatents?: LatentSet;
  readonly recolouredLatents?: LatentSet;
  readonly clipLatents?: LatentSet;
}

/** Zeros that workers see, too. */
export function sharedFloats(length: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(4 * length));
}

/** An empty set of so many pictures. */
function emptySet(
  count: number,
  of: { readonly side: number; readonly promptTokens: number },
): PictureSet {
  const { side, promptTokens } = of;
  return {
    ...{ count, side, promptTokens },
    pixels: new Uint8Array(new SharedArrayBuffer(count * 3 * side * side)),
    boxes: sharedFloats(3 * count),
    ids: new Int32Array(new SharedArrayBuffer(4 * count * promptTokens)),
  };
}

/** A picture as the world draws it. */
interface Picture {
  /** `[side, side, 3]`, 0...1. */
  readonly pixels: Float32Array;
  readonly box: Box;
  readonly ids: Int32Array;
}

function setPicture(set: PictureSet, index: number, { pixels, box, ids }: Picture): void {
  const cells = set.side * set.side;
  for (let cell = 0; cell < cells; cell += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      const value = pixels[3 * cell + channel] ?? 0;
      set.pixels[(3 * index + channel) * cells + cell] = Math.round(255 * value);
    }
  }
  set.boxes.set([box.left, box.top, box.side], 3 * index);
  set.ids.set(ids, index * set.promptTokens);
}

/** Space for all pictures of a recipe. */
export function emptyData(recipe: Recipe, tokenizer: Tokenizer): TrainingData {
  const size = { side: recipe.side, promptTokens: tokenizer.tokensMax };
  return {
    scenes: emptySet(recipe.scenes + recipe.validationScenes, size),
    clips: emptySet(recipe.clips * recipe.clipFrames, size),
    emptyIds: tokenizer.tokenize("").ids,
  };
}

/** Draws all pictures of a recipe: takes minutes. */
export function drawTrainingData(recipe: Recipe, tokenizer: Tokenizer): TrainingData {
  const { seed, side } = recipe;
  const data = emptyData(recipe, tokenizer);
  const { scenes, clips } = data;
  for (let index = 0; index < scenes.count; index += 1) {
    const { pixels, box, caption } = scene({ seed, index }, { side });
    setPicture(scenes, index, { pixels, box, ids: tokenizer.tokenize(caption).ids });
  }
  for (let index = 0; index < recipe.clips; index += 1) {
    // Clips stand behind all pictures: no clip has the key of a picture.
    const key = { seed, index: scenes.count + index };
    const drawn = clip(key, { side, frameCount: recipe.clipFrames });
    const { ids } = tokenizer.tokenize(drawn.caption);
    for (const [frame, pixels] of drawn.frames.entries()) {
      const box = drawn.boxes[frame] ?? { left: 0, top: 0, side: 0 };
      setPicture(clips, index * recipe.clipFrames + frame, { pixels, box, ids });
    }
  }
  return data;
}

/** Its arrays by name: what a file of pictures holds. */
export function arraysOfPictures({ scenes, clips, emptyIds }: TrainingData): Map<string, Values> {
  const ofSet = (name: string, { pixels, boxes, ids }: PictureSet): [string, Values][] => [
    [`${name}.pixels`, pixels],
    [`${name}.boxes`, boxes],
    [`${name}.ids`, ids],
  ];
  return new Map([...ofSet("scenes", scenes), ...ofSet("clips", clips), ["emptyIds", emptyIds]]);
}

/** Space for what the encoder says of a set. */
export function emptyLatents(set: PictureSet, cellsOfPicture: number): LatentSet {
  const length = set.count * cellsOfPicture;
  return { mean: sharedFloats(length), logVariance: sharedFloats(length) };
}
