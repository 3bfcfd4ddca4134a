import { describe, expect, it } from "vitest";
import { createStepPlan } from "./step-plan.js";
import {
  dropShard,
  finishShard,
  openStep,
  ownedPieces,
  reducedGradient,
  reducedPulls,
  type StepState,
  takePiece,
} from "./step-state.js";

const turn = { quorumId: 1, step: 0, attempts: 0 };
const nodeIds = ["node-a", "node-b", "node-c"];
// Two values a shard, one a piece.
const plan = createStepPlan(nodeIds, { vectorLength: 128, drawCount: 4, pieceBytesMax: 4 });
const begin = openStep({ turn, plan, nodeId: "node-b" });
const [piece, next] = plan.shards[9]?.pieces ?? [];

function taken(state: StepState, offset: typeof piece): ReturnType<typeof takePiece> {
  if (offset === undefined) throw new RangeError("no such piece");
  return takePiece(state, offset);
}

const finishAll = (state: StepState, indices: readonly number[]): StepState =>
  indices.reduce((before, shardIndex) => {
    const digest = new Uint8Array(32).fill(shardIndex);
    return finishShard(before, { shardIndex, sumOfSquares: shardIndex, digest });
  }, state);

describe("openStep", () => {
  it("divides all pieces into those to sum and those to pull", () => {
    const pulled = nodeIds
      .filter((nodeId) => nodeId !== "node-b")
      .flatMap((peerId) => reducedPulls(begin, peerId).map(({ piece: each }) => each));
    const all = [...ownedPieces(begin), ...pulled].toSorted(
      (a, b) => a.range.begin - b.range.begin,
    );
    expect(all).toEqual(plan.shards.flatMap(({ pieces }) => pieces));
  });
});

describe("takePiece", () => {
  it("says when a shard is complete, once", () => {
    const one = taken(begin, piece);
    expect(one.isShardComplete).toBe(false);
    const two = taken(one.state, next);
    expect(two.isShardComplete).toBe(true);
    expect(taken(two.state, next)).toEqual({ state: two.state, isShardComplete: false });
  });

  it("changes nothing for a piece that comes twice", () => {
    const one = taken(begin, piece);
    const twice = taken(one.state, piece);
    expect(twice.state).toBe(one.state);
    expect(twice.isShardComplete).toBe(false);
  });

  it("takes the pieces of a dropped shard again", () => {
    const whole = taken(taken(begin, piece).state, next).state;
    const one = taken(dropShard(whole, { shardIndex: 9 }), piece);
    expect(one.isShardComplete).toBe(false);
    expect(taken(one.state, next).isShardComplete).toBe(true);
  });
});

describe("reducedGradient", () => {
  it("is known once the last shard is, whatever their order", () => {
    const indices = plan.shards.map(({ shardIndex }) => shardIndex);
    const allButOne = finishAll(begin, indices.slice(1));
    expect(reducedGradient(allButOne)).toBeUndefined();
    const whole = reducedGradient(finishAll(allButOne, [0]));
    expect(whole?.sumsOfSquares).toEqual(indices);
    expect(whole).toEqual(reducedGradient(finishAll(begin, indices.toReversed())));
  });
});
