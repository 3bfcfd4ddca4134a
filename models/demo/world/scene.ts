import { paintBackdrop } from "./backdrops.js";
import {
  type Canvas,
  createCanvas,
  gridSide,
  paintEllipse,
  paintSprite,
  shrunk,
} from "./canvas.js";
import { type ColourMapping, mapColours } from "./colour-mapping.js";
import { Dice, type Key } from "./dice.js";
import { type Path, type Position, pathOf } from "./paths.js";
import { type Figure, figureOf, spriteOf, spriteSide } from "./sprites.js";
import {
  type Content,
  captionOf,
  colours,
  isClashing,
  isHeldOut,
  places,
  subjects,
  verbs,
} from "./vocabulary.js";

/** The square that a subject's picture stands in, in pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly side: number;
}

/** One picture of the world. */
export interface Scene {
  /** `[side, side, 3]`, float32, 0...1. */
  readonly pixels: Float32Array;
  readonly side: number;
  readonly content: Content;
  readonly caption: string;
  readonly box: Box;
}

/** What is drawn. */
export interface Look {
  readonly figure: Figure;
  readonly place: Content["place"];
  /** Red, green and blue of the place; `null`: as they are. */
  readonly placeColours: readonly ColourMapping[] | null;
}

/** The look of what a content names. */
export const lookOf = ({ subject, colour, place }: Content): Look => ({
  ...{ figure: figureOf(subject, colour), place, placeColours: null },
});

/** Frames of a path of which a single picture shows one. */
const framesOfPath = 8;

/**
 * One picture of training: seen content, never a combination that is held out, a tint in a quarter
 * of the pictures. It is a chance frame of a verb's path, so that height and verb go together.
 *
 * @param options.side     pixels, a multiple of 64. Default 64
 * @param options.content  to be shown instead of what chance would choose; the rest stays
 */
export function scene(
  key: Key,
  options: { readonly side?: number; readonly content?: Content } = {},
): Scene {
  const { side = gridSide, content = trainingContent(key) } = options;
  const path = pathOf(content.verb, framesOfPath, new Dice(key, "path"));
  const position = new Dice(key, "frame").pick(path.positions);
  const look = lookOf(content);
  const { pixels } = drawn({ key, side, look, groundY: path.groundY, position });
  const box = boxOf(position, side);
  return { pixels, side, content, caption: captionOf(content), box };
}

/** What chance chooses for training, by the key. */
export function trainingContent(key: Key): Content {
  const dice = new Dice(key, "content");
  for (;;) {
    const content = {
      subject: dice.pick(subjects),
      verb: dice.pick(verbs),
      place: dice.pick(places),
      colour: dice.between([0, 1]) < 0.25 ? dice.pick(colours) : null,
    };
    if (!isHeldOut(content) && !isClashing(content)) return content;
  }
}

/** A place without anybody in it. */
export function backdropOf(key: Key, look: Look, side: number): Float32Array {
  return shrunk(paintedBackdrop(key, look, side).samples, 3);
}

/**
 * A picture of a look at a position.
 *
 * @returns  pixels `[side, side, 3]` and mask `[side, side]`, float32, 0...1: how much of each
 *           pixel the subject covers, its shadow left out
 */
export function drawn(shot: {
  readonly key: Key;
  readonly side: number;
  readonly look: Look;
  readonly groundY: Path["groundY"];
  readonly position: Position;
}): { readonly pixels: Float32Array; readonly mask: Float32Array } {
  const { key, side, look, groundY, position } = shot;
  const canvas = paintedBackdrop(key, look, side);
  paintShadow(canvas, { x: position.x, groundY, height: groundY - position.y });
  const sprite = spriteOf(look.figure, spriteSide * canvas.scale);
  const covered = paintSprite(canvas, sprite, position);
  return { pixels: shrunk(canvas.samples, 3), mask: shrunk(covered, 1) };
}

/** The square box above a position. */
export function boxOf({ x, y }: Position, side: number): Box {
  const scale = side / gridSide;
  const left = (x - spriteSide / 2) * scale;
  return { left, top: (y - spriteSide) * scale, side: spriteSide * scale };
}

function paintedBackdrop(key: Key, { place, placeColours }: Look, side: number): Canvas {
  const canvas = createCanvas(side);
  paintBackdrop(canvas, place, new Dice(key, `place/${place}`));
  if (placeColours !== null) mapColours(canvas.samples, placeColours);
  return canvas;
}

/** A soft ellipse on the ground, smaller the higher its subject is: it shows the motion well. */
function paintShadow(
  canvas: Canvas,
  { x, groundY, height }: { readonly x: number; readonly groundY: number; readonly height: number },
): void {
  const radiusX = Math.max(4, 9.5 - 0.2 * height);
  const ellipse = { x, y: groundY, radiusX, radiusY: 1.9 };
  paintEllipse(canvas, ellipse, { colour: [30, 24, 20], opacity: 0.5, softness: 0.4 });
}
