import { gridSide } from "./canvas.js";
import { Dice, type Key } from "./dice.js";
import { type Path, pathOf } from "./paths.js";
import { type Box, backdropOf, boxOf, drawn, type Look, lookOf, trainingContent } from "./scene.js";
import { type Content, captionOf } from "./vocabulary.js";

/** A clip of one subject on one path before one backdrop. */
export interface Clip {
  /** One per frame: `[side, side, 3]`, float32, 0...1. */
  readonly frames: readonly Float32Array[];
  /** One per frame: `[side, side]`, float32, 0...1: how much of a pixel the subject covers. */
  readonly masks: readonly Float32Array[];
  /** `[side, side, 3]`, float32, 0...1: the place without subject and shadow. */
  readonly backdrop: Float32Array;
  readonly side: number;
  readonly content: Content;
  readonly caption: string;
  readonly boxes: readonly Box[];
  /** In units of the grid: the middle of the lower edge of each box. */
  readonly path: Path;
}

/**
 * A clip. The same key with another content has the same path and the same chances of each place:
 * it is the truth of an edit.
 *
 * @param options.content  what to show; by default what training would draw for the key
 * @param options.look     what is drawn, if not what the content names
 * @param options.side     pixels, a multiple of 64. Default 64
 */
export function clip(
  key: Key,
  options: {
    readonly content?: Content;
    readonly look?: Look;
    readonly side?: number;
    readonly frameCount?: number;
  } = {},
): Clip {
  const { content = trainingContent(key), side = gridSide, frameCount = 8 } = options;
  const { look = lookOf(content) } = options;
  const path = pathOf(content.verb, frameCount, new Dice(key, "path"));
  const { groundY } = path;
  const shots = path.positions.map((position) => drawn({ key, side, look, groundY, position }));
  return {
    frames: shots.map(({ pixels }) => pixels),
    masks: shots.map(({ mask }) => mask),
    backdrop: backdropOf(key, look, side),
    ...{ side, content, path },
    caption: captionOf(content),
    boxes: path.positions.map((position) => boxOf(position, side)),
  };
}
