import { shardCount } from "@retake/model/tuning";
import { describe, expect, it } from "vitest";
import { createStepPlan, shardBytes, shardCountProblem } from "./step-plan.js";

const nodeIds = ["a", "b", "c"];

describe("createStepPlan", () => {
  it("covers every value with one piece, in order, whatever the length", () => {
    for (const vectorLength of [0, 1, 63, 64, 65, 1000, 10_007]) {
      const plan = createStepPlan(nodeIds, { vectorLength, drawCount: 4, pieceBytesMax: 64 });
      let next = 0;
      for (const shard of plan.shards) {
        let offsetBytes = 0;
        for (const piece of shard.pieces) {
          expect(piece.range.begin).toBe(next);
          expect(piece.offsetBytes).toBe(offsetBytes);
          expect(piece.lengthBytes).toBe(4 * (piece.range.end - piece.range.begin));
          expect(piece.lengthBytes).toBeGreaterThan(0);
          expect(piece.lengthBytes).toBeLessThanOrEqual(64);
          next = piece.range.end;
          offsetBytes += piece.lengthBytes;
        }
        expect(offsetBytes).toBe(shardBytes(shard));
      }
      expect(next).toBe(vectorLength);
    }
  });

  it("cuts shards and pieces at the same places for every world", () => {
    const cuts = (members: readonly string[]): unknown =>
      createStepPlan(members, { vectorLength: 999, drawCount: 2, pieceBytesMax: 16 }).shards.map(
        ({ range, pieces }) => ({ range, pieces }),
      );
    expect(cuts(nodeIds)).toEqual(cuts(["z"]));
  });

  it("names the partials of all draws once, by draw, with who has them", () => {
    const options = { vectorLength: 64, drawCount: 4, pieceBytesMax: 16 };
    expect(createStepPlan(nodeIds, options).partials).toEqual([
      { nodeId: "a", firstDraw: 0, drawCount: 1 },
      { nodeId: "b", firstDraw: 1, drawCount: 1 },
      { nodeId: "c", firstDraw: 2, drawCount: 2 },
    ]);
  });
});

describe("shardCountProblem", () => {
  it("refuses any number of shards but the one of the norm", () => {
    expect(shardCountProblem(shardCount)).toBeUndefined();
    expect(shardCountProblem(shardCount - 1)).toMatch(/expected 64, got 63/);
  });
});
