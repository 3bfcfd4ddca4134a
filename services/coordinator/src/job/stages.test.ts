import { describe, expect, it } from "vitest";
import type { PlanNode, Work } from "./predictions.js";
import { atOnceFor, type Staged, stagedPrompts } from "./stages.js";

/** A prompt takes one node 100 ms; shared by several, its part of that. */
const work: Work = {
  ...{ prompts: 1, iterations: 1, units: 1, unitBytes: 0, returnBytes: 0, updateBytes: 0 },
  ...{ startBytes: 0, mayHoldBack: true },
  frameSplit: { frames: 8, readyMs: 0, passBytes: 0, haloBytes: 0, siteBytes: 0, passWaits: 0 },
};
const nodesOf = (count: number, unitMs = 100): readonly PlanNode[] =>
  Array.from({ length: count }, (_, at) => {
    const link = { bytesPerSecond: 1000, roundTripMs: 1 };
    return { nodeId: `n${at}`, unitMs, unitsAtOnce: 1, ...link };
  });
const fastest = (of: Partial<Work>, nodes: readonly PlanNode[], isHelped = true) => {
  const all = stagedPrompts({ ...work, ...of }, nodes, { isHelped });
  return all.toSorted((a, b) => a.ms - b.ms)[0];
};
const told = (staged: Staged | undefined): string | undefined =>
  staged?.stages.map(({ prompts, atOnce }) => `${prompts} by ${atOnce}`).join(", ");

describe("stagedPrompts", () => {
  // A wait a pass: sharing costs something, so that whole prompts are best.
  const split = { ...work.frameSplit, ...{ frames: 8, readyMs: 0, passBytes: 0, haloBytes: 0 } };
  const frameSplit = { ...split, siteBytes: 0, passWaits: 1 };

  it("shares the prompts that make no whole round first, then has one node for each", () => {
    const five = fastest({ prompts: 5, frameSplit }, nodesOf(4));
    expect([told(five), five?.ms, five?.nodeCount]).toEqual(["1 by 1, 4 by 4", 26 + 100, 4]);
    const nine = fastest({ prompts: 9, frameSplit }, nodesOf(8));
    expect([told(nine), nine?.ms]).toEqual(["1 by 1, 8 by 8", 13.5 + 100]);
  });

  it("divides fewer prompts than nodes into rounds of groups", () => {
    // Alone on eight nodes, then two on four each; three at once have two nodes each: 51.
    const three = fastest({ prompts: 3, frameSplit }, nodesOf(8));
    expect([told(three), three?.ms]).toEqual(["1 by 1, 2 by 2", 13.5 + 26]);
    // Getting ready costs more than that saves.
    const slow = fastest({ prompts: 3, frameSplit: { ...frameSplit, readyMs: 20 } }, nodesOf(8));
    expect([told(slow), slow?.ms, slow?.nodeCount]).toEqual(["3 by 3", 71, 6]);
  });

  it("takes smaller groups where all pull much before they begin", () => {
    // Each node but the first 2 ms: groups of eight 30 + 13.5, of four 14 + 26.
    const two = fastest({ prompts: 2, frameSplit, startBytes: 2 }, nodesOf(16));
    expect([told(two), two?.ms, two?.nodeCount]).toEqual(["2 by 2", 14 + 26, 8]);
    const light = fastest({ prompts: 2, frameSplit, startBytes: 1 }, nodesOf(16));
    expect([light?.ms, light?.nodeCount]).toEqual([15 + 13.5, 16]);
  });

  it("holds nothing back where it must not, and shares nothing where nobody helps", () => {
    const at = { prompts: 5, frameSplit };
    expect(told(fastest({ ...at, mayHoldBack: false }, nodesOf(4)))).toBe("5 by 3");
    expect(told(fastest({ ...at, prompts: 3, mayHoldBack: false }, nodesOf(8)))).toBe("3 by 3");
    const alone = fastest(at, nodesOf(4), false);
    expect([told(alone), alone?.ms]).toEqual(["5 by 3", 200]);
  });

  it("counts one helper for each that is late", () => {
    // Two branches of 50 ms; with help, an iteration takes 51 ms. Only the third prompt has it.
    const branches = { prompts: 3, units: 2, frameSplit: null };
    const onTwo = fastest(branches, nodesOf(2, 50));
    expect([told(onTwo), onTwo?.ms]).toEqual(["3 by 2", 100 + 51]);
    const two = stagedPrompts({ ...work, ...branches, mayHoldBack: false }, nodesOf(5, 50), {
      isHelped: true,
    });
    expect(Math.min(...two.map(({ ms }) => ms))).toBe(100);
  });

  it("is never slower than without holding back, and has all prompts in its stages", () => {
    for (const prompts of [2, 3, 5, 7, 12]) {
      for (const nodeCount of [2, 3, 4, 8, 25]) {
        for (const passWaits of [0, 5, 40]) {
          const at = { prompts, frameSplit: { ...frameSplit, passWaits } };
          const held = fastest(at, nodesOf(nodeCount));
          const free = fastest({ ...at, mayHoldBack: false }, nodesOf(nodeCount));
          expect(held?.ms).toBeLessThanOrEqual(free?.ms ?? 0);
          const sum = held?.stages.reduce((count, stage) => count + stage.prompts, 0);
          expect(sum).toBe(prompts);
          expect(held?.nodeCount).toBeLessThanOrEqual(nodeCount);
        }
      }
    }
  });
});

describe("atOnceFor", () => {
  const stages = [
    { prompts: 1, atOnce: 1 },
    { prompts: 4, atOnce: 2 },
  ];

  it("tells by how many are waiting which stage is next", () => {
    const at = (waiting: number) => atOnceFor(stages, { waiting, running: 0 });
    expect([6, 5, 4, 3, 1].map(at)).toEqual([1, 1, 2, 2, 2]);
  });

  it("lets no prompt begin a stage while one of the stage before is sampled", () => {
    expect(atOnceFor(stages, { waiting: 4, running: 1 })).toBe(0);
    expect(atOnceFor(stages, { waiting: 3, running: 1 })).toBe(2);
  });

  it("has no limit where nothing was planned", () => {
    expect(atOnceFor([], { waiting: 3, running: 1 })).toBe(Number.POSITIVE_INFINITY);
  });
});
