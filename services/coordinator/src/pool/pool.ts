import type { NodeView } from "../job/cluster-state.js";
import type { PoolView } from "../job/leavers.js";

/** The nodes of a cluster, as something that grows and shrinks. */
export interface Pool {
  /**
   * As it is asked to be at the moment; nodes that come or go may not have done so yet.
   *
   * @param nodes  that have joined, for a pool that has nobody else to ask
   * @throws RetakeError  what asking throws
   */
  view(nodes: ReadonlyMap<string, NodeView>, signal: AbortSignal): Promise<PoolView>;
  /**
   * Asks for so many. Those that leave have handed over before, or had the time to.
   *
   * @throws RetakeError  `pool-fixed` where nobody can be asked for more; `pool-changed` where
   *                      somebody else has asked for another count since `view`
   */
  resize(counts: PoolCounts, signal: AbortSignal): Promise<void>;
}

export interface PoolCounts {
  /** What `view` told. */
  readonly from: number;
  readonly to: number;
}
