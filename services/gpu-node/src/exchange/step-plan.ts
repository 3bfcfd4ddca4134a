import { shardCount, shardRanges, type VectorRange } from "@retake/model/tuning";
import { drawsOfRank, partialsOf, type Subtree } from "./draw-blocks.js";
import { ownerOf } from "./shard-owner.js";

const bytesPerValue = 4;

/** A part of a shard: the values of one frame. */
export interface Piece {
  readonly shardIndex: number;
  /** Within the shard's bytes. */
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** Within the flat vector. */
  readonly range: VectorRange;
}

export interface ShardPlan {
  readonly shardIndex: number;
  readonly range: VectorRange;
  readonly ownerId: string;
  /** None if the vector is shorter than there are shards, and this one is empty. */
  readonly pieces: readonly Piece[];
}

/** A partial sum, and who has it. */
export interface PlannedPartial extends Subtree {
  readonly nodeId: string;
}

/** Who sums what in a step; every member derives the same from the same quorum. */
export interface StepPlan {
  readonly drawCount: number;
  /** By shard index. */
  readonly shards: readonly ShardPlan[];
  /** Of all members, by draw. */
  readonly partials: readonly PlannedPartial[];
}

export interface StepPlanOptions {
  readonly vectorLength: number;
  readonly drawCount: number;
  readonly pieceBytesMax: number;
}

/**
 * @param nodeIds  the members in rank order
 */
export function createStepPlan(nodeIds: readonly string[], options: StepPlanOptions): StepPlan {
  const { vectorLength, drawCount, pieceBytesMax } = options;
  const worldSize = nodeIds.length;
  const partials = nodeIds.flatMap((nodeId, rank) =>
    partialsOf(drawsOfRank({ drawCount, worldSize }, rank)).map((part) => ({ ...part, nodeId })),
  );
  const shards = shardRanges(vectorLength).map((range, shardIndex) => ({
    ...{ shardIndex, range, ownerId: ownerOf(shardIndex, nodeIds) },
    pieces: piecesOf({ shardIndex, range }, pieceBytesMax),
  }));
  return { drawCount, shards, partials };
}

/** The bytes of a shard. */
export function shardBytes({ range }: Pick<ShardPlan, "range">): number {
  return bytesPerValue * (range.end - range.begin);
}

function piecesOf(
  shard: Pick<ShardPlan, "shardIndex" | "range">,
  pieceBytesMax: number,
): readonly Piece[] {
  const { shardIndex, range } = shard;
  const totalBytes = shardBytes(shard);
  const pieces: Piece[] = [];
  for (let offsetBytes = 0; offsetBytes < totalBytes; offsetBytes += pieceBytesMax) {
    const lengthBytes = Math.min(pieceBytesMax, totalBytes - offsetBytes);
    const begin = range.begin + offsetBytes / bytesPerValue;
    const end = begin + lengthBytes / bytesPerValue;
    pieces.push({ shardIndex, offsetBytes, lengthBytes, range: { begin, end } });
  }
  return pieces;
}

/** Why a quorum's shards are no shards of ours; undefined if they are. */
export function shardCountProblem(count: number): string | undefined {
  if (count === shardCount) return undefined;
  return `shards: expected ${shardCount}, got ${count}; the order of the norm's sum depends on it`;
}
