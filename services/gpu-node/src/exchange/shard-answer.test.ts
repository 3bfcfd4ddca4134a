import { ShardKind, type ShardRequest } from "@retake/wire/exchange";
import { describe, expect, it } from "vitest";
import { type Position, shardAnswer } from "./shard-answer.js";
import { createStepPlan } from "./step-plan.js";
import { finishShard, openStep } from "./step-state.js";

const turn = { quorumId: 2, step: 5, attempts: 7 };
// Two values a shard; node-a has draw 0, node-b draw 1.
const nodeIds = ["node-a", "node-b"];
const plan = createStepPlan(nodeIds, { vectorLength: 128, drawCount: 2, pieceBytesMax: 4 });
const state = openStep({ turn, plan, nodeId: "node-a" });
const open: Position = { turn, state };
const owned = plan.shards.find(({ ownerId }) => ownerId === "node-a")?.shardIndex ?? 0;
const foreign = plan.shards.find(({ ownerId }) => ownerId === "node-b")?.shardIndex ?? 0;

const partial: ShardRequest = {
  ...{ ...turn, kind: ShardKind.SHARD_KIND_PARTIAL, shardIndex: foreign },
  ...{ firstDraw: 0, drawCount: 1, offsetBytes: 4, lengthBytes: 4 },
};
const reduced: ShardRequest = {
  ...{ ...turn, kind: ShardKind.SHARD_KIND_REDUCED, shardIndex: owned },
  ...{ firstDraw: 0, drawCount: 2, offsetBytes: 0, lengthBytes: 8 },
};

describe("shardAnswer", () => {
  it("serves a piece of its partial, of any shard", () => {
    const begin = 2 * foreign + 1;
    expect(shardAnswer(open, partial)).toMatchObject({
      ...{ kind: "serve", totalBytes: 8, sumOfSquares: 0, range: { begin, end: begin + 1 } },
    });
  });

  it("holds a reduced shard until it is checked, then serves it with its sum", () => {
    expect(shardAnswer(open, reduced).kind).toBe("hold");
    const sum = { shardIndex: owned, sumOfSquares: 9, digest: new Uint8Array(32) };
    expect(shardAnswer({ turn, state: finishShard(state, sum) }, reduced)).toMatchObject({
      ...{ kind: "serve", totalBytes: 8, sumOfSquares: 9 },
      range: { begin: 2 * owned, end: 2 * owned + 2 },
    });
  });

  it("calls every earlier turn stale and holds every later one, open or closed", () => {
    for (const position of [open, { turn, state: undefined }]) {
      for (const field of ["quorumId", "step", "attempts"] as const) {
        const at = (by: number) => shardAnswer(position, { ...partial, [field]: turn[field] + by });
        expect(at(-1).kind).toBe("stale");
        expect(at(1).kind).toBe("hold");
      }
    }
    // A later quorum counts, though its step be an earlier one.
    expect(shardAnswer(open, { ...partial, quorumId: 3, step: 0, attempts: 0 }).kind).toBe("hold");
    expect(shardAnswer(open, { ...partial, quorumId: 1, step: 9, attempts: 9 }).kind).toBe("stale");
  });

  it("holds a request of its own turn after the step is closed: it may be done again", () => {
    expect(shardAnswer({ turn, state: undefined }, partial).kind).toBe("hold");
  });

  it.each([
    ["a partial of another's draw", { ...partial, firstDraw: 1 }],
    ["a larger subtree than its own", { ...partial, drawCount: 2 }],
    ["a shard that there is not", { ...partial, shardIndex: 64 }],
    ["bytes behind the shard", { ...partial, offsetBytes: 8 }],
    ["bytes across its end", { ...partial, offsetBytes: 4, lengthBytes: 8 }],
    ["half a value", { ...partial, offsetBytes: 2 }],
    ["a length of half a value", { ...partial, lengthBytes: 2 }],
    ["a reduced shard of another owner", { ...reduced, shardIndex: foreign }],
    ["a reduced shard over other draws", { ...reduced, drawCount: 4 }],
  ])("refuses %s", (_, request) => {
    expect(shardAnswer(open, request).kind).toBe("refuse");
  });
});
