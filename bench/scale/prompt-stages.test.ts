import { describe, expect, it } from "vitest";
import { fastestStages, roundsFor } from "./prompt-stages.js";

describe("roundsFor", () => {
  it("has groups of every size, and those that the prompts left can form", () => {
    const rounds = roundsFor(5, { nodeCount: 4, sizes: [1, 2, 4] });
    expect(rounds.map(({ atOnce, nodesEach }) => `${atOnce}x${nodesEach}`).toSorted()).toEqual([
      ...["1x1", "1x2", "1x4", "2x1", "2x2", "4x1"],
    ]);
    expect(roundsFor(3, { nodeCount: 8, sizes: [4] })).toEqual([
      { atOnce: 2, nodesEach: 4 },
      { atOnce: 1, nodesEach: 4 },
    ]);
  });
});

describe("fastestStages", () => {
  it("adds up what rounds take, and joins those that are alike", () => {
    const rounds = [
      { atOnce: 4, nodesEach: 1, ms: 100 },
      { atOnce: 1, nodesEach: 4, ms: 30 },
    ];
    expect(fastestStages(9, rounds)).toEqual([
      { prompts: 1, atOnce: 1, nodesEach: 4 },
      { prompts: 8, atOnce: 4, nodesEach: 1 },
    ]);
    expect(fastestStages(3, rounds)).toEqual([{ prompts: 3, atOnce: 1, nodesEach: 4 }]);
  });
});
