import { type DrawSum, meanOfDraws, mergedDrawSums, shardCount } from "@retake/model/tuning";
import { drawsOfRank } from "../draw-blocks.js";
import {
  createExchange,
  type Exchange,
  type ExchangeOptions,
  type ReduceRequest,
} from "../exchange.js";
import type { ExchangeLimits } from "../limits.js";
import type { ShardConnection } from "../shard-connection.js";
import type { ReduceOutcome } from "../step-run.js";
import { randomVector } from "./random-vector.js";

/** Shards of 3 or 4 values, in pieces of at most 2. */
export const vectorLength = 250;
const pieceBytesMax = 8;
export const editId = "edit-1";
export const jobKey: Uint8Array = new Uint8Array(32).fill(7);

export interface Member {
  readonly nodeId: string;
  readonly exchange: Exchange;
}

/** The gradient of one draw. */
function drawSum(draw: number): DrawSum {
  return { firstDraw: draw, drawCount: 1, sum: randomVector(vectorLength, draw) };
}

/** What one node finds that computes all draws. */
export function meanAlone(drawCount: number): Float32Array {
  return meanOfDraws(
    Array.from({ length: drawCount }, (_, draw) => drawSum(draw)),
    drawCount,
  );
}

/** The partial sums of a rank. */
export function partialsOfRank(
  rank: number,
  world: { readonly drawCount: number; readonly worldSize: number },
): readonly DrawSum[] {
  const { begin, end } = drawsOfRank(world, rank);
  return mergedDrawSums(Array.from({ length: end - begin }, (_, i) => drawSum(begin + i)));
}

export function createMembers(
  connections: readonly ShardConnection[],
  limits: Partial<ExchangeLimits> = {},
  onReconnect: ExchangeOptions["onReconnect"] = () => () => {},
): readonly Member[] {
  return connections.map((connection, rank) => {
    const nodeId = `node-${rank}`;
    const options = { connection, onReconnect, editId, jobKey, nodeId, vectorLength };
    return {
      nodeId,
      exchange: createExchange({ ...options, limits: { pieceBytesMax, ...limits } }),
    };
  });
}

export function setQuorum(members: readonly Member[], quorumId: number): void {
  const nodeIds = members.map(({ nodeId }) => nodeId);
  for (const { exchange } of members) exchange.setQuorum({ quorumId, nodeIds, shardCount });
}

/** The step of one member of several. */
export function reduceRank(
  members: readonly Member[],
  rank: number,
  request: Omit<ReduceRequest, "partials">,
): Promise<ReduceOutcome> {
  const world = { drawCount: request.drawCount, worldSize: members.length };
  const partials = partialsOfRank(rank, world);
  const exchange = members[rank]?.exchange;
  if (exchange === undefined) throw new RangeError(`no member of rank ${rank}`);
  return exchange.reduce({ ...request, partials });
}

/** One step of all members. */
export function reduceAll(
  members: readonly Member[],
  request: Omit<ReduceRequest, "partials">,
): Promise<readonly ReduceOutcome[]> {
  return Promise.all(members.map((_, rank) => reduceRank(members, rank, request)));
}
