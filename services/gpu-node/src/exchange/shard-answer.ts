import type { VectorRange } from "@retake/model/tuning";
import { ShardKind, type ShardRequest } from "@retake/wire/exchange";
import { shardBytes } from "./step-plan.js";
import type { StepState } from "./step-state.js";
import { compareTurns, type StepTurn, turnText } from "./step-turn.js";

const bytesPerValue = 4;

/** Where a member is: the turn of its last step, and that step's state while it is open. */
export interface Position {
  readonly turn: StepTurn;
  readonly state: StepState | undefined;
}

/** What a member answers to a request. */
export type ShardAnswer =
  | {
      readonly kind: "serve";
      readonly reason: string;
      /** Of the partial sum, or of the reduced gradient. */
      readonly range: VectorRange;
      readonly totalBytes: number;
      /** 0 for a partial. */
      readonly sumOfSquares: number;
    }
  /** Hold: it will be here, or is of a turn to come. Refuse: it cannot be meant. */
  | { readonly kind: "hold" | "stale" | "refuse"; readonly reason: string };

/** Decides what to do with a request: pure, so that a held one can be asked again at any time. */
export function shardAnswer({ turn, state }: Position, request: ShardRequest): ShardAnswer {
  const order = compareTurns(request, turn);
  if (order < 0) return { kind: "stale", reason: `${turnText(turn)} is under way here` };
  if (order > 0) return { kind: "hold", reason: "its turn has not begun here" };
  if (state === undefined) return { kind: "hold", reason: "the step is closed here" };
  const shard = state.plan.shards[request.shardIndex];
  if (shard === undefined) return { kind: "refuse", reason: "there is no such shard" };
  const totalBytes = shardBytes(shard);
  const { offsetBytes, lengthBytes } = request;
  const isAligned = offsetBytes % bytesPerValue === 0 && lengthBytes % bytesPerValue === 0;
  if (!isAligned || offsetBytes + lengthBytes > totalBytes) {
    return { kind: "refuse", reason: "the bytes are not within the shard" };
  }
  const begin = shard.range.begin + offsetBytes / bytesPerValue;
  const range = { begin, end: begin + lengthBytes / bytesPerValue };
  if (request.kind === ShardKind.SHARD_KIND_PARTIAL) {
    if (!hasPartial(state, request)) return { kind: "refuse", reason: "no such partial is here" };
    return { kind: "serve", reason: "a partial", range, totalBytes, sumOfSquares: 0 };
  }
  if (shard.ownerId !== state.nodeId) return { kind: "refuse", reason: "another owns the shard" };
  if (request.firstDraw !== 0 || request.drawCount !== state.plan.drawCount) {
    return { kind: "refuse", reason: "the step has other draws" };
  }
  const sum = state.sums[request.shardIndex];
  if (sum === undefined) return { kind: "hold", reason: "the shard is not reduced yet" };
  const { sumOfSquares } = sum;
  return { kind: "serve", reason: "a reduced shard", range, totalBytes, sumOfSquares };
}

function hasPartial({ plan, nodeId }: StepState, request: ShardRequest): boolean {
  return plan.partials.some(
    (partial) =>
      partial.nodeId === nodeId &&
      partial.firstDraw === request.firstDraw &&
      partial.drawCount === request.drawCount,
  );
}
