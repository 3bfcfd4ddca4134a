/** Red, green, blue, 0...255. */
export type Rgb = readonly [number, number, number];

/** The grid on which everything is placed: a picture is so wide and high, whatever its pixels. */
export const gridSide = 64;

/** Painted at twice the picture's size, so that edges are smooth when it is halved. */
const pixelsPerSample = 2;

/** A square picture being painted. Places and sizes are in the grid's units, y downwards. */
export interface Canvas {
  /** Samples to a side. */
  readonly side: number;
  /** Samples to a unit of the grid. */
  readonly scale: number;
  /** `[side, side, 3]`, float32, 0...1. */
  readonly samples: Float32Array;
}

/** @param side  pixels to a side of the finished picture: a multiple of 64 */
export function createCanvas(side: number): Canvas {
  if (side <= 0 || side % gridSide !== 0) {
    throw new RangeError(`side: expected a multiple of ${gridSide}, got ${side}`);
  }
  const samplesSide = side * pixelsPerSample;
  return {
    side: samplesSide,
    scale: samplesSide / gridSide,
    samples: new Float32Array(samplesSide * samplesSide * 3),
  };
}

/**
 * The finished picture: the mean of the samples in each pixel.
 *
 * @returns  `[side, side, channels]`, float32
 */
export function shrunk(samples: Float32Array, channels: number): Float32Array {
  const side = Math.round(Math.sqrt(samples.length / channels)) / pixelsPerSample;
  const row = side * pixelsPerSample * channels;
  const pixels = new Float32Array(side * side * channels);
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      for (let channel = 0; channel < channels; channel += 1) {
        const at = y * pixelsPerSample * row + x * pixelsPerSample * channels + channel;
        const upper = (samples[at] ?? 0) + (samples[at + channels] ?? 0);
        const lower = (samples[at + row] ?? 0) + (samples[at + row + channels] ?? 0);
        pixels[(y * side + x) * channels + channel] = (upper + lower) / 4;
      }
    }
  }
  return pixels;
}

/** A part of the canvas in grid units; what lies outside is left out. */
export interface Rectangle {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/**
 * Paints the samples of a rectangle, or those for which `cover` is above 0.
 *
 * @param paint.cover  how much of a sample is covered, 0...1, by the position of its middle;
 *                     without it, all of each
 */
function paintWhere(
  { side, scale, samples }: Canvas,
  { left, top, right, bottom }: Rectangle,
  paint: {
    readonly cover?: (x: number, y: number) => number;
    readonly colour: (y: number) => Rgb;
  },
): void {
  const bounded = (edge: number): number => Math.min(side, Math.max(0, Math.round(edge * scale)));
  const [first, end, lastRow] = [bounded(left), bounded(right), bounded(bottom)];
  for (let row = bounded(top); row < lastRow; row += 1) {
    const y = (row + 0.5) / scale;
    const [red, green, blue] = paint.colour(y);
    for (let column = first; column < end; column += 1) {
      const share = paint.cover?.((column + 0.5) / scale, y) ?? 1;
      if (share <= 0) continue;
      const at = (row * side + column) * 3;
      samples[at] = (samples[at] ?? 0) * (1 - share) + (red / 255) * share;
      samples[at + 1] = (samples[at + 1] ?? 0) * (1 - share) + (green / 255) * share;
      samples[at + 2] = (samples[at + 2] ?? 0) * (1 - share) + (blue / 255) * share;
    }
  }
}

/** The whole width between two heights, from one colour to another. */
export function paintBand(
  canvas: Canvas,
  { top, bottom }: { readonly top: number; readonly bottom: number },
  [from, to]: readonly [Rgb, Rgb],
): void {
  const colour = (y: number): Rgb => mixedColour(from, to, (y - top) / (bottom - top));
  paintWhere(canvas, { left: 0, right: gridSide, top, bottom }, { colour });
}

export function paintRectangle(canvas: Canvas, rectangle: Rectangle, colour: Rgb): void {
  paintWhere(canvas, rectangle, { colour: () => colour });
}

export interface Ellipse {
  readonly x: number;
  readonly y: number;
  readonly radiusX: number;
  readonly radiusY: number;
}

/** @param options.softness  0 for a hard edge; 1 fades from the middle to the edge */
export function paintEllipse(
  canvas: Canvas,
  { x, y, radiusX, radiusY }: Ellipse,
  options: { readonly colour: Rgb; readonly opacity?: number; readonly softness?: number },
): void {
  const { colour, opacity = 1, softness = 0 } = options;
  const cover = (atX: number, atY: number): number => {
    const distance = Math.sqrt(((atX - x) / radiusX) ** 2 + ((atY - y) / radiusY) ** 2);
    if (distance >= 1) return 0;
    return softness === 0 ? opacity : opacity * Math.min(1, (1 - distance) / softness);
  };
  const bounds = { left: x - radiusX, right: x + radiusX, top: y - radiusY, bottom: y + radiusY };
  paintWhere(canvas, bounds, { cover, colour: () => colour });
}

/** A triangle that stands on a level base. */
export interface Triangle {
  readonly tip: readonly [x: number, y: number];
  readonly left: number;
  readonly right: number;
  readonly base: number;
}

/** @param colour  of the whole triangle down to `until`, a height; the base if left out */
export function paintTriangle(
  canvas: Canvas,
  { tip: [tipX, tipY], left, right, base }: Triangle,
  { colour, until = base }: { readonly colour: Rgb; readonly until?: number },
): void {
  const cover = (x: number, y: number): number => {
    const down = (y - tipY) / (base - tipY);
    return x >= tipX + (left - tipX) * down && x <= tipX + (right - tipX) * down ? 1 : 0;
  };
  const bounds = { left: Math.min(left, tipX), right: Math.max(right, tipX) };
  const rows = { top: tipY, bottom: Math.min(until, base) };
  paintWhere(canvas, { ...bounds, ...rows }, { cover, colour: () => colour });
}

/** A picture with transparency, to be laid on a canvas. */
export interface Sprite {
  readonly width: number;
  readonly height: number;
  /** `[height, width, 4]`, float32, 0...1: colours times their opacity, and the opacity. */
  readonly samples: Float32Array;
}

/**
 * Lays a sprite on the canvas.
 *
 * @param at  the middle of the sprite's lower edge
 * @returns   `[side, side]`, float32, 0...1: how much of each of the canvas's samples it covers
 */
export function paintSprite(
  { side, scale, samples }: Canvas,
  sprite: Sprite,
  at: { readonly x: number; readonly y: number },
): Float32Array {
  const covered = new Float32Array(side * side);
  const left = Math.round(at.x * scale - sprite.width / 2);
  const top = Math.round(at.y * scale) - sprite.height;
  for (let row = 0; row < sprite.height; row += 1) {
    for (let column = 0; column < sprite.width; column += 1) {
      const x = left + column;
      const y = top + row;
      if (x < 0 || y < 0 || x >= side || y >= side) continue;
      const from = (row * sprite.width + column) * 4;
      const to = y * side + x;
      const share = sprite.samples[from + 3] ?? 0;
      covered[to] = share;
      for (let channel = 0; channel < 3; channel += 1) {
        const under = (samples[to * 3 + channel] ?? 0) * (1 - share);
        samples[to * 3 + channel] = under + (sprite.samples[from + channel] ?? 0);
      }
    }
  }
  return covered;
}

export const mixedColour = (from: Rgb, to: Rgb, share: number): Rgb => [
  from[0] + (to[0] - from[0]) * share,
  from[1] + (to[1] - from[1]) * share,
  from[2] + (to[2] - from[2]) * share,
];
