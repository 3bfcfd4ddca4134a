/** A node that computes a branch, and its task for it. */
export interface LentBranch {
  /** host:port */
  readonly address: string;
  readonly branchTaskId: string;
  readonly epoch: number;
}

type Taker = (branch: LentBranch) => void;

/** Lent to tasks that have not begun; the oldest goes first. */
const keptMax = 64;

/** What was lent to the tasks that sample here: it may come before its task has begun. */
export class LentBranches {
  readonly #takers = new Map<string, Taker>();
  readonly #kept = new Map<string, LentBranch>();

  lend(taskId: string, branch: LentBranch): void {
    const take = this.#takers.get(taskId);
    if (take !== undefined) {
      take(branch);
      return;
    }
    this.#kept.set(taskId, branch);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= keptMax) break;
      this.#kept.delete(oldest);
    }
  }

  /** Lets a task use whatever is lent to it while it works. */
  async during<Value>(taskId: string, take: Taker, work: () => Promise<Value>): Promise<Value> {
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
