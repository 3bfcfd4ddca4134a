/** A node that computes a branch, and its task for it. */
export interface LentBranch {
  /** host:port */
  readonly address: string;
  readonly branchTaskId: string;
  readonly epoch: number;
}

/** Nodes that share the frames of a task's clip, and their tasks for it. */
export interface LentRanks {
  /** host:port of this node, as the others reach it. */
  readonly ownAddress: string;
  readonly epoch: number;
  readonly peers: readonly { readonly address: string; readonly taskId: string }[];
}

/** Lent to tasks that have not begun; the oldest goes first. */
const keptMax = 64;

/** What was lent to the tasks of this node by others: it may come before its task has begun. */
export class LentPeers<Lent> {
  readonly #takers = new Map<string, (lent: Lent) => void>();
  readonly #kept = new Map<string, Lent>();

  lend(taskId: string, lent: Lent): void {
    const take = this.#takers.get(taskId);
    if (take !== undefined) {
      take(lent);
      return;
    }
    this.#kept.set(taskId, lent);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= keptMax) break;
      this.#kept.delete(oldest);
    }
  }

  /** Lets a task use whatever is lent to it while it works. */
  async during<Value>(
    taskId: string,
    take: (lent: Lent) => void,
    work: () => Promise<Value>,
  ): Promise<Value> {
    this.#takers.set(taskId, take);
    const kept = this.#kept.get(taskId);
    this.#kept.delete(taskId);
    if (kept !== undefined) take(kept);
    try {
      return await work();
    } finally {
      this.#takers.delete(taskId);
    }
  }
}
