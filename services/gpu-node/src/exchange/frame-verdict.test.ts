import type { ShardFrame } from "@retake/wire/exchange";
import { describe, expect, it } from "vitest";
import { frameVerdict, requestOf } from "./frame-verdict.js";
import { createStepPlan } from "./step-plan.js";
import { openStep, type Pull, reducedPulls } from "./step-state.js";

const turn = { quorumId: 2, step: 5, attempts: 7 };
const nodeIds = ["node-a", "node-b"];
const plan = createStepPlan(nodeIds, { vectorLength: 128, drawCount: 2, pieceBytesMax: 4 });
const state = openStep({ turn, plan, nodeId: "node-a" });
const [first, second] = reducedPulls(state, "node-b");
const pull = second as Pull;
const { lengthBytes, ...name } = requestOf(state, pull);
const head: ShardFrame = {
  ...{ ...name, totalBytes: 8, sumOfSquares: 1, pending: false, stale: false },
};
const bytes = new Uint8Array(lengthBytes);
const verdictOf = (change: Partial<ShardFrame>, body = bytes): string =>
  frameVerdict(state, pull, { head: { ...head, ...change }, bytes: body }).kind;

describe("requestOf", () => {
  it("names the turn, the piece and the draws", () => {
    const shardIndex = plan.shards.find(({ ownerId }) => ownerId === "node-b")?.shardIndex;
    expect(requestOf(state, pull)).toEqual({
      ...{ ...turn, kind: "SHARD_KIND_REDUCED", shardIndex, firstDraw: 0, drawCount: 2 },
      ...{ offsetBytes: 4, lengthBytes: 4 },
    });
  });
});

describe("frameVerdict", () => {
  it("takes what was asked for", () => {
    expect(verdictOf({})).toBe("take");
  });

  it("refuses an answer that differs in any field", () => {
    for (const field of ["quorumId", "step", "attempts"] as const) {
      expect(verdictOf({ [field]: head[field] + 1 })).toBe("refuse");
      expect(verdictOf({ [field]: head[field] - 1, stale: true })).toBe("refuse");
    }
    for (const field of ["shardIndex", "firstDraw", "drawCount", "totalBytes"] as const) {
      expect(verdictOf({ [field]: head[field] + 1 })).toBe("refuse");
    }
    expect(verdictOf({ offsetBytes: first?.piece.offsetBytes ?? 0 })).toBe("refuse");
    expect(verdictOf({ kind: "SHARD_KIND_PARTIAL" })).toBe("refuse");
  });

  it("refuses too few bytes and too many", () => {
    expect(verdictOf({}, bytes.subarray(1))).toBe("refuse");
    expect(verdictOf({}, new Uint8Array(lengthBytes + 1))).toBe("refuse");
  });

  it("asks again for what is pending, and ends with what is stale", () => {
    const nothing = new Uint8Array(0);
    expect(verdictOf({ pending: true, totalBytes: 4 }, nothing)).toBe("again");
    expect(verdictOf({ stale: true, totalBytes: 4 }, nothing)).toBe("stale");
  });
});
