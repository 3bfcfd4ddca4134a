import type { Tokenizer } from "@retake/checkpoint";
import { type Clip, clip } from "../world/clip.js";
import { type Box, scene } from "../world/scene.js";
import { strangeClip } from "../world/strangers.js";
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
  /** Frames of clips of what has no word. */
  readonly strangers: PictureSet;
  /** The empty prompt. */
  readonly emptyIds: Int32Array;
  /** The scenes in other colours, in the same order: the VAE has to know them, the U-Net not. */
  readonly recoloured?: PictureSet;
  readonly sceneLatents?: LatentSet;
  readonly recolouredLatents?: LatentSet;
  readonly clipLatents?: LatentSet;
  readonly strangerLatents?: LatentSet;
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
    strangers: emptySet(recipe.phases.clip.strangers.clips * recipe.clipFrames, size),
    emptyIds: tokenizer.tokenize("").ids,
  };
}

/** Draws all pictures of a recipe: takes minutes. */
export function drawTrainingData(recipe: Recipe, tokenizer: Tokenizer): TrainingData {
  const { seed, side, clipFrames: frameCount } = recipe;
  const data = emptyData(recipe, tokenizer);
  const { scenes, clips, strangers } = data;
  for (let index = 0; index < scenes.count; index += 1) {
    const { pixels, box, caption } = scene({ seed, index }, { side });
    setPicture(scenes, index, { pixels, box, ids: tokenizer.tokenize(caption).ids });
  }
  const setClip = (set: PictureSet, at: number, drawn: Clip): void => {
    const { ids } = tokenizer.tokenize(drawn.caption);
    for (const [frame, pixels] of drawn.frames.entries()) {
      const box = drawn.boxes[frame] ?? { left: 0, top: 0, side: 0 };
      setPicture(set, at * frameCount + frame, { pixels, box, ids });
    }
  };
  // Clips stand behind all pictures, strangers behind all clips: no two have one key.
  for (let at = 0; at < recipe.clips; at += 1) {
    setClip(clips, at, clip({ seed, index: scenes.count + at }, { side, frameCount }));
  }
  for (let at = 0; at < recipe.phases.clip.strangers.clips; at += 1) {
    const key = { seed, index: scenes.count + recipe.clips + at };
    setClip(strangers, at, strangeClip(key, { side, frameCount }));
  }
  return data;
}

/** Its arrays by name: what a file of pictures holds. */
export function arraysOfPictures(data: TrainingData): Map<string, Values> {
  const { scenes, clips, strangers, emptyIds } = data;
  const ofSet = (name: string, { pixels, boxes, ids }: PictureSet): [string, Values][] => [
    [`${name}.pixels`, pixels],
    [`${name}.boxes`, boxes],
    [`${name}.ids`, ids],
  ];
  const sets = { scenes, clips, strangers };
  const arrays = Object.entries(sets).flatMap(([name, set]) => ofSet(name, set));
  return new Map([...arrays, ["emptyIds", emptyIds]]);
}

/** Space for what the encoder says of a set. */
export function emptyLatents(set: PictureSet, cellsOfPicture: number): LatentSet {
  const length = set.count * cellsOfPicture;
  return { mean: sharedFloats(length), logVariance: sharedFloats(length) };
}
