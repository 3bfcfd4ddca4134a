import { type ReceivedShard, ShardKind, type ShardRequest } from "@retake/wire/exchange";
import { shardBytes } from "./step-plan.js";
import type { Pull, StepState } from "./step-state.js";
import { compareTurns } from "./step-turn.js";

/** What to do with an answer. */
export interface FrameVerdict {
  /** Again: not there yet. Stale: the peer is at a later turn. Refuse: it is not what was asked. */
  readonly kind: "take" | "again" | "stale" | "refuse";
  readonly reason: string;
}

const kinds = {
  partial: ShardKind.SHARD_KIND_PARTIAL,
  reduced: ShardKind.SHARD_KIND_REDUCED,
} as const;

/** The request of a pull. */
export function requestOf({ turn }: StepState, { kind, piece, draws }: Pull): ShardRequest {
  const { shardIndex, offsetBytes, lengthBytes } = piece;
  const { firstDraw, drawCount } = draws;
  return {
    ...{ quorumId: turn.quorumId, step: turn.step, attempts: turn.attempts },
    ...{ kind: kinds[kind], shardIndex, firstDraw, drawCount, offsetBytes, lengthBytes },
  };
}

/**
 * Compares an answer with what was asked, field by field. Its CRC has been checked by the decoder;
 * the sum of squares is checked once its shard is complete.
 */
export function frameVerdict(
  state: StepState,
  pull: Pull,
  { head, bytes }: ReceivedShard,
): FrameVerdict {
  const asked = requestOf(state, pull);
  if (compareTurns(head, asked) !== 0) return { kind: "refuse", reason: "it is of another turn" };
  const isSame =
    head.kind === asked.kind &&
    head.shardIndex === asked.shardIndex &&
    head.firstDraw === asked.firstDraw &&
    head.drawCount === asked.drawCount &&
    head.offsetBytes === asked.offsetBytes;
  if (!isSame) return { kind: "refuse", reason: "it is another piece" };
  if (head.stale) return { kind: "stale", reason: "the peer is at a later turn" };
  if (head.pending) return { kind: "again", reason: "the peer does not have it yet" };
  const shard = state.plan.shards[asked.shardIndex];
  if (shard === undefined || head.totalBytes !== shardBytes(shard)) {
    return { kind: "refuse", reason: "its shard has another length" };
  }
  if (bytes.length !== asked.lengthBytes)
    return { kind: "refuse", reason: "it has another length" };
  return { kind: "take", reason: "it is what was asked for" };
}
