interface Entry {
  /** A later entry of the same kind right behind makes this one needless. */
  readonly kind: string;
  readonly work: () => Promise<void>;
}

/** What is done for an edit, one after the other; edits do not wait for each other. */
export class EffectQueues {
  readonly #queues = new Map<string, Entry[]>();
  readonly #onFault: (thrown: unknown) => void;

  /** @param onFault  told of what a piece of work throws; nothing behind it is run */
  constructor(onFault: (thrown: unknown) => void) {
    this.#onFault = onFault;
  }

  get waitingCount(): number {
    let count = 0;
    for (const queue of this.#queues.values()) count += queue.length;
    return count;
  }

  /** @param options.replaces  it takes the place of one of its kind that waits right before */
  push(
    editId: string,
    work: () => Promise<void>,
    { kind = "", replaces = false }: { kind?: string; replaces?: boolean } = {},
  ): void {
    const entry = { kind, work };
    const queue = this.#queues.get(editId);
    if (queue === undefined) {
      const fresh = [entry];
      this.#queues.set(editId, fresh);
      void this.#drain(editId, fresh);
      return;
    }
    // The first one is under way.
    const isReplacing = replaces && queue.length > 1 && queue.at(-1)?.kind === kind;
    if (isReplacing) queue[queue.length - 1] = entry;
    else queue.push(entry);
  }

  /** Resolves when all that was pushed so far is done; never if something of it failed. */
  async settled(editId: string): Promise<void> {
    if (!this.#queues.has(editId)) return;
    await new Promise<void>((resolve) => this.push(editId, async () => resolve()));
  }

  async #drain(editId: string, queue: Entry[]): Promise<void> {
    try {
      // Whoever pushes is in the middle of a decision: what it causes comes after.
      await Promise.resolve();
      for (let entry = queue[0]; entry !== undefined; entry = queue[0]) {
        await entry.work();
        queue.shift();
      }
      this.#queues.delete(editId);
    } catch (thrown) {
      this.#onFault(thrown);
    }
  }
}
