import type { Sprite } from "../world/canvas.js";
import { gridSide } from "../world/canvas.js";
import { figureOf, spriteOf, spriteSide } from "../world/sprites.js";
import type { Colour, Subject } from "../world/vocabulary.js";

/** A place in a picture: the middle of the lower edge of a subject's box, in units of the grid. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

/** What a subject looks like: colours where it is, and where it must not be any more. */
interface Template {
  readonly cells: Cells;
  readonly ring: Cells;
}

/** Cells of a template: each its offset from the place in units of the grid, and its colour. */
interface Cells {
  readonly count: number;
  readonly dx: Int32Array;
  readonly dy: Int32Array;
  /** `[count, 3]`, 0...1. */
  readonly rgb: Float32Array;
}

interface Cell {
  readonly dx: number;
  readonly dy: number;
  readonly rgb: readonly [number, number, number];
}

/** A pixel counts as covered from this opacity on. */
const coveredMin = 0.6;
const ringCells = 2;
/** Beyond this squared difference of colour, a pixel is simply another colour. */
const differenceMax = 0.08;
/** What a pixel around the subject counts, against one of the subject. */
const ringWeight = 0.5;

const templates = new Map<string, Template>();

/**
 * Where a subject is in a picture: the place at which its picture fits best. A place fits well if
 * the pixels there have the subject's colours, and those around it have not: else a white subject
 * would be found anywhere in the snow.
 *
 * @param pixels  `[64, 64, 3]`, float32, 0...1
 */
export function foundPlace(
  pixels: Float32Array,
  { subject, colour }: { readonly subject: Subject; readonly colour: Colour | null },
): Place {
  const template = templateOf(subject, colour);
  const fitAt = (place: Place): number => fitOf(pixels, template, place);
  const coarse = bestOf(placesFrom({ x: 6, y: 22 }, { x: 58, y: 64 }, 2), fitAt);
  const near = { x: coarse.x - 1, y: coarse.y - 1 };
  return bestOf(placesFrom(near, { x: coarse.x + 1, y: coarse.y + 1 }, 1), fitAt);
}

/** Places in rows from one corner to another, both included. */
function placesFrom(from: Place, to: Place, step: number): readonly Place[] {
  const places: Place[] = [];
  for (let y = from.y; y <= to.y; y += step) {
    for (let x = from.x; x <= to.x; x += step) places.push({ x, y });
  }
  return places;
}

function bestOf(places: readonly Place[], fitAt: (place: Place) => number): Place {
  let best: Place = { x: 0, y: 0 };
  let bestFit = Number.NEGATIVE_INFINITY;
  for (const place of places) {
    const fit = fitAt(place);
    if (fit <= bestFit) continue;
    best = place;
    bestFit = fit;
  }
  return best;
}

function fitOf(pixels: Float32Array, { cells, ring }: Template, place: Place): number {
  return ringWeight * meanDifference(pixels, ring, place) - meanDifference(pixels, cells, place);
}

/** The mean of the squared differences of colour, each bounded; outside the picture, the bound. */
function meanDifference(pixels: Float32Array, cells: Cells, { x, y }: Place): number {
  const { count, dx, dy, rgb } = cells;
  let sum = 0;
  for (let cell = 0; cell < count; cell += 1) {
    const column = x + (dx[cell] ?? 0);
    const row = y + (dy[cell] ?? 0);
    if (column < 0 || row < 0 || column >= gridSide || row >= gridSide) {
      sum += differenceMax;
      continue;
    }
    const at = (row * gridSide + column) * 3;
    const red = (pixels[at] ?? 0) - (rgb[cell * 3] ?? 0);
    const green = (pixels[at + 1] ?? 0) - (rgb[cell * 3 + 1] ?? 0);
    const blue = (pixels[at + 2] ?? 0) - (rgb[cell * 3 + 2] ?? 0);
    sum += Math.min(differenceMax, (red * red + green * green + blue * blue) / 3);
  }
  return sum / Math.max(1, count);
}

function templateOf(subject: Subject, colour: Colour | null): Template {
  const key = `${subject} ${colour}`;
  const known = templates.get(key);
  if (known !== undefined) return known;
  const template = cutOut(spriteOf(figureOf(subject, colour), spriteSide));
  templates.set(key, template);
  return template;
}

/** The covered pixels of a sprite, and a ring around them in the colour of the nearest one. */
function cutOut({ width, height, samples }: Sprite): Template {
  const left = -Math.round(width / 2);
  const cells: Cell[] = [];
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const [red = 0, green = 0, blue = 0, opacity = 0] = samples.subarray(
        (row * width + column) * 4,
        (row * width + column) * 4 + 4,
      );
      if (opacity < coveredMin) continue;
      const rgb = [red / opacity, green / opacity, blue / opacity] as const;
      cells.push({ dx: left + column, dy: row - height, rgb });
    }
  }
  const covered = new Set(cells.map(({ dx, dy }) => `${dx} ${dy}`));
  const ring = new Map<string, Cell>();
  for (let reach = 1; reach <= ringCells; reach += 1) {
    for (const { dx, dy, rgb } of cells) {
      for (const [right, down] of [
        [reach, 0],
        [-reach, 0],
        [0, reach],
        [0, -reach],
      ] as const) {
        const key = `${dx + right} ${dy + down}`;
        if (covered.has(key) || ring.has(key)) continue;
        ring.set(key, { dx: dx + right, dy: dy + down, rgb });
      }
    }
  }
  return { cells: packed(cells), ring: packed([...ring.values()]) };
}

function packed(cells: readonly Cell[]): Cells {
  return {
    count: cells.length,
    dx: Int32Array.from(cells, ({ dx }) => dx),
    dy: Int32Array.from(cells, ({ dy }) => dy),
    rgb: Float32Array.from(cells.flatMap(({ rgb }) => rgb)),
  };
}
