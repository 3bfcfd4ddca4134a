import { ShapeError } from "@retake/errors";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createDraw } from "../random/draw.js";
import { type DrawSum, meanOfDraws, mergedDrawSums } from "./draw-tree.js";

const draw = (firstDraw: number, ...values: number[]): DrawSum => ({
  firstDraw,
  drawCount: 1,
  sum: Float32Array.from(values),
});
/** A gradient whose sums depend on the order in which they are added. */
const gradient = (drawIndex: number): DrawSum => {
  const options = { seed: 1, step: 0, drawIndex, latentShape: [16], timestepCount: 2 };
  return draw(drawIndex, ...createDraw(options).noise);
};
const places = (sums: readonly DrawSum[]): number[][] =>
  sums.map(({ firstDraw, drawCount }) => [firstDraw, drawCount]);

describe("mergedDrawSums", () => {
  it("adds siblings, and siblings of those", () => {
    const sums = mergedDrawSums([draw(0, 1), draw(1, 2), draw(2, 4), draw(3, 8)]);
    expect(sums).toEqual([{ firstDraw: 0, drawCount: 4, sum: Float32Array.of(15) }]);
  });

  it("leaves neighbours alone that are no siblings", () => {
    expect(places(mergedDrawSums([draw(1, 1), draw(2, 1)]))).toEqual([
      [1, 1],
      [2, 1],
    ]);
    expect(places(mergedDrawSums([1, 2, 3, 4, 5].map((i) => draw(i, 1))))).toEqual([
      [1, 1],
      [2, 2],
      [4, 2],
    ]);
  });

  it("takes draws in any order", () => {
    expect(places(mergedDrawSums([3, 0, 2, 1].map((i) => draw(i, 1))))).toEqual([[0, 4]]);
  });

  it("refuses what is no subtree, a draw that comes twice, and sums of two lengths", () => {
    const pair = { firstDraw: 1, drawCount: 2, sum: new Float32Array(1) };
    expect(() => mergedDrawSums([pair])).toThrow(ShapeError);
    expect(() => mergedDrawSums([{ ...pair, firstDraw: 0, drawCount: 3 }])).toThrow(ShapeError);
    expect(() => mergedDrawSums([draw(0, 1), draw(0, 1)])).toThrow(/comes twice/);
    expect(() => mergedDrawSums([{ ...pair, firstDraw: 0 }, draw(1, 1)])).toThrow(/comes twice/);
    expect(() => mergedDrawSums([draw(0, 1), draw(1, 1, 2)])).toThrow(/one length/);
  });
});

describe("meanOfDraws", () => {
  it("divides the sum by the number of draws", () => {
    const mean = meanOfDraws([draw(0, 1, 10), draw(1, 2, 20), draw(2, 6, 60)], 3);
    expect(Array.from(mean)).toEqual([3, 30]);
  });

  it("is the gradient itself for one draw", () => {
    expect(meanOfDraws([gradient(0)], 1)).toEqual(gradient(0).sum);
  });

  it("splits at the largest power of two where the draws make no complete tree", () => {
    // In float32, 2^24 + 1 = 2^24, so that the order shows: (0 + 1) + (2 + 3), + (4 + 5), + 6.
    const big = 2 ** 24;
    const values = [big, 1, 1, -big, 1, 1, 1];
    const mean = meanOfDraws(
      values.map((value, i) => draw(i, value)),
      7,
    );
    expect(mean[0]).toBeCloseTo((big + (1 - big) + 3) / 7, 5);
  });

  it("refuses a draw that is missing, and one too many", () => {
    expect(() => meanOfDraws([draw(0, 1), draw(2, 1)], 3)).toThrow(/draw 1 is missing/);
    expect(() => meanOfDraws([draw(0, 1)], 2)).toThrow(ShapeError);
    expect(() => meanOfDraws([draw(0, 1), draw(1, 1)], 1)).toThrow(ShapeError);
    expect(() => meanOfDraws([], 0)).toThrow(ShapeError);
  });

  it("gives the same bits however the draws are divided over nodes", () => {
    const assignment = fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 13 });
    fc.assert(
      fc.property(assignment, (nodeOfDraw) => {
        const alone = meanOfDraws(
          nodeOfDraw.map((_, i) => gradient(i)),
          nodeOfDraw.length,
        );
        const partials = [0, 1, 2, 3].flatMap((node) =>
          mergedDrawSums(nodeOfDraw.flatMap((owner, i) => (owner === node ? [gradient(i)] : []))),
        );
        expect(meanOfDraws(partials, nodeOfDraw.length)).toEqual(alone);
      }),
    );
  });

  it("gives the same bits when a node merges after every draw", () => {
    let sums: readonly DrawSum[] = [];
    for (let i = 0; i < 11; i += 1) sums = mergedDrawSums([...sums, gradient(i)]);
    const all = Array.from({ length: 11 }, (_, i) => gradient(i));
    expect(meanOfDraws(sums, 11)).toEqual(meanOfDraws(all, 11));
  });
});
