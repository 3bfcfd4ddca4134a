import { Code, RetakeError } from "@retake/errors";
import { type Clip, frameOf } from "./clip.js";
import { type EncodedVideo, type EncodeOptions, encodeMp4, type Sounding } from "./encode.js";
import { labelStrip, labelStripHeight } from "./label-strip.js";
import { limits } from "./limits.js";

/** A clip and the words above it. */
export interface Tile {
  readonly clip: Clip;
  readonly label: string;
}

/** Pixels between two tiles; all sides below stay multiples of 8. */
const gap = 8;
/** Smaller clips are enlarged by a whole factor, pixel by pixel, so that one can see them. */
const seenSideMin = 256;

/**
 * Writes the clips as one mp4, next to each other under their labels and in further rows where one
 * would be too wide. Clips must agree in frames and size.
 *
 * @throws RetakeError bad-option  when they do not, and what `encodeVideo` throws
 */
export async function encodeSideBySide(
  tiles: readonly Tile[],
  options: EncodeOptions & Sounding,
): Promise<EncodedVideo> {
  const layout = layoutOf(tiles);
  const strips = await Promise.all(tiles.map(({ label }) => labelStrip(label, layout.tileWidth)));
  const { width, height, frames } = layout;
  return await encodeMp4(
    { width, height, frames, frameAt: (frame) => composed(tiles, strips, layout, frame) },
    options,
  );
}

interface Layout {
  readonly frames: number;
  readonly factor: number;
  readonly columns: number;
  readonly tileWidth: number;
  readonly tileHeight: number;
  readonly width: number;
  readonly height: number;
}

function layoutOf(tiles: readonly Tile[]): Layout {
  const first = tiles[0]?.clip;
  if (first === undefined) throw badTiles("expected at least one clip, got none");
  for (const { clip } of tiles) {
    if (axesOf(clip) === axesOf(first)) continue;
    throw badTiles(`expected clips of ${axesOf(first)}, got one of ${axesOf(clip)}`);
  }
  const factor = Math.max(1, Math.floor(seenSideMin / Math.max(first.width, first.height)));
  const tileWidth = first.width * factor;
  const tileHeight = first.height * factor + labelStripHeight;
  const widest = Math.floor((limits.clipSideMax + gap) / (tileWidth + gap));
  const columns = Math.max(1, Math.min(tiles.length, widest));
  const rows = Math.ceil(tiles.length / columns);
  return {
    ...{ frames: first.frames, factor, columns, tileWidth, tileHeight },
    width: columns * (tileWidth + gap) - gap,
    height: rows * (tileHeight + gap) - gap,
  };
}

/** One frame of the whole picture, `[height, width, 3]`. */
function composed(
  tiles: readonly Tile[],
  strips: readonly Uint8Array[],
  layout: Layout,
  frame: number,
): Uint8Array {
  const picture = new Uint8Array(layout.height * layout.width * 3);
  for (const [index, { clip }] of tiles.entries()) {
    const left = (index % layout.columns) * (layout.tileWidth + gap);
    const top = Math.floor(index / layout.columns) * (layout.tileHeight + gap);
    const paste = (row: Uint8Array, y: number): void =>
      picture.set(row, ((top + y) * layout.width + left) * 3);
    const strip = strips[index] ?? new Uint8Array(0);
    for (let y = 0; y < labelStripHeight; y++) {
      paste(strip.subarray(y * layout.tileWidth * 3, (y + 1) * layout.tileWidth * 3), y);
    }
    const pixels = frameOf(clip, frame);
    for (let y = 0; y < clip.height; y++) {
      const row = widened(
        pixels.subarray(y * clip.width * 3, (y + 1) * clip.width * 3),
        layout.factor,
      );
      for (let copy = 0; copy < layout.factor; copy++) {
        paste(row, labelStripHeight + y * layout.factor + copy);
      }
    }
  }
  return picture;
}

/** A row of pixels, each `factor` times. */
function widened(row: Uint8Array, factor: number): Uint8Array {
  if (factor === 1) return row;
  const wide = new Uint8Array(row.length * factor);
  for (let x = 0; x * 3 < row.length; x++) {
    const pixel = row.subarray(x * 3, x * 3 + 3);
    for (let copy = 0; copy < factor; copy++) wide.set(pixel, (x * factor + copy) * 3);
  }
  return wide;
}

function axesOf({ frames, height, width }: Clip): string {
  return `[${frames}, ${height}, ${width}, 3]`;
}

function badTiles(message: string): RetakeError {
  return new RetakeError(Code.InvalidArgument, "bad-option", `side by side: ${message}`);
}
