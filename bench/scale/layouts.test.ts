import { describe, expect, it } from "vitest";
import { drawsStepMs } from "./draws-step.js";
import { sharedPassMs } from "./frame-passes.js";
import { samplingMs } from "./sampling.js";
import { vaeMs } from "./vae-frames.js";

/** A byte takes a millisecond, or next to none; a round trip is 2 ms, or next to none. */
const link = { bytesPerSecond: 1000, roundTripMs: 2 };
const fast = { bytesPerSecond: 1e15, roundTripMs: 1e-9 };

describe("sharedPassMs", () => {
  // Two pieces of 100 operations, and an exchange of 30 bytes each way between them.
  const rank = (to: number) => ({ flops: [100, 100], sends: [to === 0 ? [30] : [0, 30], []] });
  const ranks = [rank(1), rank(0)];

  it("waits at every exchange for what the others send", () => {
    const terms = { link, flopsPerMs: 1, latentBytes: 10 };
    // The second begins 11 ms later; the first waits for it: 11 + 100 + 31, then its last piece.
    const first = 11 + 100 + 31 + 100;
    expect(sharedPassMs(ranks, terms)).toBe(first);
  });

  it("is no faster than the pieces of one rank, however fast the link", () => {
    const ms = sharedPassMs(ranks, { link: fast, flopsPerMs: 1, latentBytes: 10 });
    expect(ms).toBeGreaterThanOrEqual(200);
    expect(ms).toBeCloseTo(200, 5);
  });
});

describe("drawsStepMs", () => {
  const terms = { link: fast, drawCount: 4, drawMs: 100, vectorLength: 64 * 32_768 };

  it("computes a block of draws on every node, and exchanges nothing on one", () => {
    expect(drawsStepMs({ ...terms, memberCount: 1 })).toBeCloseTo(400, 3);
    expect(drawsStepMs({ ...terms, memberCount: 2 })).toBeCloseTo(200, 3);
    expect(drawsStepMs({ ...terms, memberCount: 4 })).toBeCloseTo(100, 3);
  });

  it("takes no less than what the server sends on", () => {
    const slow = { ...terms, drawMs: 0, link: { bytesPerSecond: 1e9, roundTripMs: 0 } };
    const bytes = 4 * terms.vectorLength;
    for (const memberCount of [2, 4]) {
      const serverMs = (2 * (memberCount - 1) * bytes) / 1e6;
      const ms = drawsStepMs({ ...slow, memberCount });
      expect(ms).toBeGreaterThanOrEqual(serverMs);
      expect(ms).toBeLessThan(1.2 * serverMs);
    }
  });

  it("has no more in flight than the exchange's window: one mebibyte in a round trip", () => {
    const far = { ...terms, drawMs: 0, memberCount: 2 };
    const ms = drawsStepMs({ ...far, link: { bytesPerSecond: 1e15, roundTripMs: 100 } });
    // Each node pulls half of 8 MiB of partial sums; a pull goes there and back by the server.
    expect(ms).toBeGreaterThanOrEqual(4 * 200);
  });
});

describe("vaeMs", () => {
  const terms = { link, frames: 4, frameMs: 100, outputBytes: 10 };
  const inputBytes = (frames: number): number => 5 * frames;

  it("pulls the input, computes frame after frame, and sends each", () => {
    // 2 + 1 + 20 for the input, four frames, and 1 + 10 for the last.
    expect(vaeMs({ ...terms, nodeCount: 1, inputBytes })).toBe(23 + 400 + 11);
  });

  it("lets all nodes pull from the one card of the coordinator", () => {
    // The second node's frames come behind the first's.
    expect(vaeMs({ ...terms, nodeCount: 2, inputBytes })).toBe(23 + 200 + 11);
  });
});

describe("samplingMs", () => {
  const passMs = 100;
  const terms = {
    ...{ link: fast, nodeCount: 1, iterations: 10, branches: 2 },
    ...{ latentBytes: 1, startBytes: 0, isFirstWarm: true, loadMs: 0 },
    passMsOf: (ranks: number) => passMs / ranks,
  };
  /** Nodes for themselves. */
  const each = (prompts: number) => ({ stages: [{ prompts, atOnce: prompts, nodesEach: 1 }] });

  it("samples one prompt after the other on one node, and as many at once on more", () => {
    expect(samplingMs({ ...terms, ...each(4) })).toBeCloseTo(8000, 3);
    expect(samplingMs({ ...terms, ...each(4), nodeCount: 2 })).toBeCloseTo(4000, 3);
    expect(samplingMs({ ...terms, ...each(4), nodeCount: 4 })).toBeCloseTo(2000, 3);
  });

  it("lets a node that has no prompt compute a branch", () => {
    // The first iteration has begun before there is help.
    expect(samplingMs({ ...terms, ...each(1), nodeCount: 2 })).toBeCloseTo(200 + 900, 3);
    // Two prompts at once; of the third, both nodes do a branch.
    expect(samplingMs({ ...terms, ...each(3), nodeCount: 2 })).toBeCloseTo(2000 + 1100, 3);
    expect(samplingMs({ ...terms, ...each(2), nodeCount: 1000 })).toBeCloseTo(1100, 3);
  });

  it("begins where the tuned weights have come to", () => {
    const slow = { ...terms, link, branches: 1, latentBytes: 0, startBytes: 500 };
    expect(samplingMs({ ...slow, ...each(1), isFirstWarm: false })).toBe(2 + 1 + 500 + 1000 + 1);
    expect(samplingMs({ ...slow, ...each(2), nodeCount: 2 })).toBe(503 + 1000 + 1);
    expect(samplingMs({ ...slow, ...each(3), nodeCount: 2 })).toBe(3 + 2000 + 1);
  });

  it("has groups share frames, each with its prompts in turn, once all are ready", () => {
    const stages = [{ prompts: 4, atOnce: 2, nodesEach: 4 }];
    const shared = { ...terms, nodeCount: 8, loadMs: 70, stages };
    expect(samplingMs(shared)).toBeCloseTo(70 + 2 * 10 * 2 * 25, 3);
  });

  it("begins a stage when all prompts of the one before are done", () => {
    const stages = [
      { prompts: 1, atOnce: 1, nodesEach: 4 },
      { prompts: 4, atOnce: 4, nodesEach: 1 },
    ];
    const staged = { ...terms, nodeCount: 4, loadMs: 70, stages };
    expect(samplingMs(staged)).toBeCloseTo(70 + 10 * 2 * 25 + 10 * 2 * 100, 3);
    // Weights come once: to the three others at once, by one card.
    const slow = { ...staged, link, branches: 1, latentBytes: 0, startBytes: 50 };
    expect(samplingMs(slow)).toBe(2 + 1 + 150 + 70 + 10 * 25 + 10 * 100 + 1);
  });

  it("has no more prompts at once than a stage tells, though nodes are free", () => {
    const stages = [{ prompts: 4, atOnce: 1, nodesEach: 1 }];
    expect(samplingMs({ ...terms, branches: 1, nodeCount: 4, stages })).toBeCloseTo(4000, 3);
  });
});
