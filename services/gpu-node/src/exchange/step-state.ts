import type { Subtree } from "./draw-blocks.js";
import { gradientHash } from "./gradient-hash.js";
import type { Piece, StepPlan } from "./step-plan.js";
import type { StepTurn } from "./step-turn.js";

/** What is known of a reduced shard. */
export interface ShardSum {
  readonly shardIndex: number;
  /** In float64, from its first value to its last. */
  readonly sumOfSquares: number;
  readonly digest: Uint8Array;
}

/** How far a step is, as one member sees it. */
export interface StepState {
  readonly turn: StepTurn;
  readonly plan: StepPlan;
  readonly nodeId: string;
  /** By shard index: the offsets of the pieces whose reduced values are here. */
  readonly taken: readonly ReadonlySet<number>[];
  /** By shard index: of the shards that are complete and checked. */
  readonly sums: readonly (ShardSum | undefined)[];
}

/** A piece that a member asks another for. */
export interface Pull {
  readonly peerId: string;
  readonly kind: "partial" | "reduced";
  readonly piece: Piece;
  /** Of a reduced shard: all draws. */
  readonly draws: Subtree;
}

/** The beginning of a step: nothing is reduced. */
export function openStep(begin: Pick<StepState, "turn" | "plan" | "nodeId">): StepState {
  const { shards } = begin.plan;
  return { ...begin, taken: shards.map(() => new Set()), sums: shards.map(() => undefined) };
}

/** What the member must sum itself, in shard order. */
export function ownedPieces({ plan, nodeId }: StepState): readonly Piece[] {
  return plan.shards.filter(({ ownerId }) => ownerId === nodeId).flatMap(({ pieces }) => pieces);
}

/** What the member must pull from a peer once it is reduced, in shard order. */
export function reducedPulls({ plan }: StepState, peerId: string): readonly Pull[] {
  const draws = { firstDraw: 0, drawCount: plan.drawCount };
  const owned = plan.shards.filter(({ ownerId }) => ownerId === peerId);
  return owned.flatMap(({ pieces }) =>
    pieces.map((piece): Pull => ({ peerId, kind: "reduced", piece, draws })),
  );
}

/**
 * Notes that a piece's reduced values are here. One that comes twice changes nothing.
 *
 * @returns  whether the shard is now complete, to be checked and finished
 */
export function takePiece(
  state: StepState,
  { shardIndex, offsetBytes }: Piece,
): { readonly state: StepState; readonly isShardComplete: boolean } {
  const before = state.taken[shardIndex];
  if (before === undefined || before.has(offsetBytes)) return { state, isShardComplete: false };
  const after = new Set(before).add(offsetBytes);
  const isShardComplete = after.size === state.plan.shards[shardIndex]?.pieces.length;
  return { state: { ...state, taken: state.taken.with(shardIndex, after) }, isShardComplete };
}

/** Notes that a complete shard passed its checks: others may have it. */
export function finishShard(state: StepState, sum: ShardSum): StepState {
  return { ...state, sums: state.sums.with(sum.shardIndex, sum) };
}

/** Forgets the pieces of a shard that failed its checks: they are to be pulled again. */
export function dropShard(state: StepState, { shardIndex }: { readonly shardIndex: number }) {
  return { ...state, taken: state.taken.with(shardIndex, new Set<number>()) };
}

/** What the member knows once all shards are here; undefined before. */
export function reducedGradient({
  sums,
}: StepState): { readonly sumsOfSquares: readonly number[]; readonly hash: string } | undefined {
  const known = sums.filter((sum) => sum !== undefined);
  if (known.length < sums.length) return undefined;
  return {
    sumsOfSquares: known.map(({ sumOfSquares }) => sumOfSquares),
    hash: gradientHash(known.map(({ digest }) => digest)),
  };
}
