/** Something that is to happen at a time of a virtual clock. */
export interface Timer {
  readonly atMs: number;
  /** Decides between timers of the same time: who was asked for first, runs first. */
  readonly order: number;
  readonly run: () => void;
}

const isBefore = (left: Timer, right: Timer): boolean =>
  left.atMs !== right.atMs ? left.atMs < right.atMs : left.order < right.order;

/** What is to happen, soonest first: a binary heap, since runs have thousands of timers. */
export class TimerHeap {
  readonly #timers: Timer[] = [];
  #order = 0;

  /** The soonest; undefined where nothing is left to do. */
  get first(): Timer | undefined {
    return this.#timers[0];
  }

  push(atMs: number, run: () => void): void {
    this.#order += 1;
    const timer = { atMs, order: this.#order, run };
    let index = this.#timers.push(timer) - 1;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.#timers[above];
      if (parent === undefined || !isBefore(timer, parent)) break;
      this.#timers[index] = parent;
      index = above;
    }
    this.#timers[index] = timer;
  }

  /** Takes the soonest out. */
  pop(): Timer | undefined {
    const { first } = this;
    const last = this.#timers.pop();
    if (last === undefined || this.#timers.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      const right = this.#timers[child + 1];
      let below = this.#timers[child];
      if (below === undefined) break;
      if (right !== undefined && isBefore(right, below)) {
        below = right;
        child += 1;
      }
      if (!isBefore(below, last)) break;
      this.#timers[index] = below;
      index = child;
    }
    this.#timers[index] = last;
    return first;
  }
}
