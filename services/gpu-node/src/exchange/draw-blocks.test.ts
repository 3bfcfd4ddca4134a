import { type DrawSum, meanOfDraws, mergedDrawSums } from "@retake/model/tuning";
import { describe, expect, it } from "vitest";
import { drawsOfRank, partialsOf } from "./draw-blocks.js";
import { bitsOf, randomVector } from "./testing/random-vector.js";

const drawsMax = 16;
const nodesMax = 8;

describe("drawsOfRank", () => {
  it("gives every draw to one rank, in order, and no rank two more than another", () => {
    for (let drawCount = 1; drawCount <= drawsMax; drawCount += 1) {
      for (let worldSize = 1; worldSize <= nodesMax; worldSize += 1) {
        let next = 0;
        const sizes = Array.from({ length: worldSize }, (_, rank) => {
          const { begin, end } = drawsOfRank({ drawCount, worldSize }, rank);
          expect(begin).toBe(next);
          next = end;
          return end - begin;
        });
        expect(next).toBe(drawCount);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }
    }
  });
});

describe("partialsOf", () => {
  it("finds the largest subtrees of a block", () => {
    expect(partialsOf({ begin: 0, end: 4 })).toEqual([{ firstDraw: 0, drawCount: 4 }]);
    expect(partialsOf({ begin: 1, end: 6 })).toEqual([
      { firstDraw: 1, drawCount: 1 },
      { firstDraw: 2, drawCount: 2 },
      { firstDraw: 4, drawCount: 2 },
    ]);
    expect(partialsOf({ begin: 3, end: 3 })).toEqual([]);
  });

  it("names what merging the draws one by one leaves, for every block", () => {
    for (let begin = 0; begin < drawsMax; begin += 1) {
      for (let end = begin; end <= drawsMax; end += 1) {
        let sums: readonly DrawSum[] = [];
        for (let draw = begin; draw < end; draw += 1) {
          const next = { firstDraw: draw, drawCount: 1, sum: Float32Array.of(draw) };
          sums = mergedDrawSums([...sums, next]);
        }
        const subtrees = sums.map(({ firstDraw, drawCount }) => ({ firstDraw, drawCount }));
        expect(partialsOf({ begin, end })).toEqual(subtrees);
      }
    }
  });

  it("gives the bits of one node for every number of draws and nodes", () => {
    for (let drawCount = 1; drawCount <= drawsMax; drawCount += 1) {
      const draws = Array.from({ length: drawCount }, (_, draw) => randomVector(64, draw));
      const sumOf = (draw: number): DrawSum => ({
        ...{ firstDraw: draw, drawCount: 1 },
        sum: draws[draw]?.slice() ?? new Float32Array(0),
      });
      const alone = meanOfDraws(
        draws.map((_, draw) => sumOf(draw)),
        drawCount,
      );
      for (let worldSize = 1; worldSize <= nodesMax; worldSize += 1) {
        const partials = Array.from({ length: worldSize }, (_, rank) => {
          const { begin, end } = drawsOfRank({ drawCount, worldSize }, rank);
          return mergedDrawSums(Array.from({ length: end - begin }, (__, i) => sumOf(begin + i)));
        }).flat();
        expect(bitsOf(meanOfDraws(partials, drawCount))).toEqual(bitsOf(alone));
      }
    }
  });
});
