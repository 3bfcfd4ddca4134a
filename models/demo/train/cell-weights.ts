import type { PictureSet } from "./training-data.js";

/** How much more a cell of the subject's box counts than one outside. */
const boxWeight = 3;

/**
 * What each latent cell of some pictures counts in the loss: more where the subject is, so that
 * capacity goes there; the optimum stays.
 *
 * @param options.side   latent cells to a side
 * @param options.total  what all of them add up to
 * @returns              `[pictures, side, side]`, float32
 */
export function cellWeights(
  set: PictureSet,
  pictures: readonly number[],
  options: { readonly side: number; readonly total: number },
): Float32Array {
  const { side, total } = options;
  const pixels = set.side / side;
  const weights = new Float32Array(pictures.length * side * side).fill(1);
  for (const [at, picture] of pictures.entries()) {
    const [left = 0, top = 0, length = 0] = set.boxes.subarray(3 * picture, 3 * picture + 3);
    const isInside = (cell: number, begin: number): boolean => {
      const middle = (cell + 0.5) * pixels;
      return middle >= begin && middle <= begin + length;
    };
    for (let cell = 0; cell < side * side; cell += 1) {
      const [row, column] = [Math.floor(cell / side), cell % side];
      if (isInside(row, top) && isInside(column, left))
        weights[at * side * side + cell] = boxWeight;
    }
  }
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight) => (weight * total) / sum);
}
