import { chances, type ItemKey, integerBy } from "./batch-chances.js";
import type { PictureSet } from "./training-data.js";

/** A square of a picture. */
export interface Crop {
  /** Which picture of its set. */
  readonly picture: number;
  readonly left: number;
  readonly top: number;
  readonly side: number;
}

/** The share of crops that lie near the subject: it is small, and what matters. */
const nearShare = 0.65;

/**
 * The crop of an item, by its chances.
 *
 * @param options.pictures  how many pictures of the set to choose from
 * @param options.grid      left and top are multiples of this
 */
export function cropOfItem(
  key: ItemKey,
  set: PictureSet,
  options: { readonly pictures: number; readonly side: number; readonly grid: number },
): Crop {
  const { pictures, side, grid } = options;
  const [which = 0, across = 0, down = 0, near = 0] = chances(key, 4);
  const picture = integerBy(which, { below: pictures });
  const places = (set.side - side) / grid + 1;
  const isNear = near < nearShare;
  const begin = (chance: number, axis: 0 | 1): number => {
    if (!isNear) return grid * integerBy(chance, { below: places });
    const boxBegin = set.boxes[3 * picture + axis] ?? 0;
    const middle = boxBegin + (set.boxes[3 * picture + 2] ?? 0) / 2;
    // The subject's middle lies anywhere in the inner half of the crop.
    const wanted = middle - side * (0.25 + 0.5 * chance);
    const place = Math.round(wanted / grid);
    return grid * Math.min(places - 1, Math.max(0, place));
  };
  return { picture, left: begin(across, 0), top: begin(down, 1), side };
}

/** Writes a crop's pixels, -1...1, as item `at` of `[items, 3, side, side]`. */
export function writeCrop(
  into: Float32Array,
  at: number,
  from: { readonly set: PictureSet; readonly crop: Crop },
): void {
  const { set, crop } = from;
  const { side } = crop;
  for (let channel = 0; channel < 3; channel += 1) {
    for (let row = 0; row < side; row += 1) {
      const line = (3 * crop.picture + channel) * set.side + crop.top + row;
      const source = line * set.side + crop.left;
      const target = ((at * 3 + channel) * side + row) * side;
      for (let column = 0; column < side; column += 1) {
        into[target + column] = (set.pixels[source + column] ?? 0) / 127.5 - 1;
      }
    }
  }
}

/** The whole of a picture. */
export function wholePicture(set: PictureSet, picture: number): Crop {
  return { picture, left: 0, top: 0, side: set.side };
}
