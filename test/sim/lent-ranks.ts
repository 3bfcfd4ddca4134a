import type { EffectOf } from "@retake/coordinator/job";
import type { Cluster, NodePort } from "./cluster.js";
import type { Lent } from "./jobs.js";

/** A connection that ends is seen by the other end, unless the link is cut. */
export function endLent(
  { nodes, world }: Cluster,
  { from, lent, isFailed }: { from: NodePort; lent: Lent; isFailed: boolean },
): void {
  const peer = nodes.find(({ name }) => name === lent.nodeId);
  if (peer) world.send(from, peer, () => peer.endBranch(lent.taskId, isFailed));
}

/** Nodes that share the frames of a node's passes, by the task that the passes are of. */
export class LentRanks {
  readonly #cluster: Cluster;
  readonly #leader: NodePort;
  readonly #ranks = new Map<string, readonly Lent[]>();

  constructor(cluster: Cluster, leader: NodePort) {
    this.#cluster = cluster;
    this.#leader = leader;
  }

  lend({ taskId, helpers }: EffectOf<"lend-frames">): void {
    const ranks = helpers.map(({ task }) => ({ taskId: task.id, nodeId: task.nodeId }));
    this.#ranks.set(taskId, ranks);
  }

  /** A pass is shared while all are there: then the first of them goes on alone. */
  share(taskId: string): void {
    const { nodes, world } = this.#cluster;
    const ranks = this.#ranks.get(taskId);
    if (ranks === undefined) return;
    const isThere = ({ nodeId, taskId: rankId }: Lent): boolean => {
      const peer = nodes.find(({ name }) => name === nodeId);
      if (peer === undefined || !peer.isUp || world.isCut(this.#leader, peer)) return false;
      return world.nowMs >= peer.stoppedUntilMs && peer.jobs.has(rankId);
    };
    const isShared = ranks.every(isThere);
    world.count(isShared ? "frames by ranks" : "rank lost");
    if (!isShared) this.end(taskId, true);
  }

  end(taskId: string, isFailed: boolean): void {
    for (const lent of this.#ranks.get(taskId) ?? []) {
      endLent(this.#cluster, { from: this.#leader, lent, isFailed });
    }
    this.#ranks.delete(taskId);
  }

  endAll(): void {
    for (const taskId of [...this.#ranks.keys()]) this.end(taskId, true);
  }
}
