interface Event {
  readonly atMs: number;
  /** Decides between events of the same time: who was asked for first, runs first. */
  readonly order: number;
  readonly run: () => void;
}

const isBefore = (a: Event, b: Event): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

/** Virtual time: it goes from one event to the next, and takes none to pass. */
export class VirtualClock {
  #nowMs = 0;
  #order = 0;
  /** A binary heap. */
  readonly #events: Event[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Has something happen after some time, in milliseconds. */
  after(delayMs: number, run: () => void): void {
    const event = { atMs: this.#nowMs + delayMs, order: this.#order, run };
    this.#order += 1;
    let at = this.#events.push(event) - 1;
    for (;;) {
      const above = (at - 1) >> 1;
      const parent = this.#events[above];
      if (at === 0 || parent === undefined || !isBefore(event, parent)) break;
      this.#events[at] = parent;
      at = above;
    }
    this.#events[at] = event;
  }

  /** Lets everything happen that was asked for, and what comes of it. */
  run(): void {
    for (let next = this.#taken(); next !== undefined; next = this.#taken()) {
      this.#nowMs = next.atMs;
      next.run();
    }
  }

  #taken(): Event | undefined {
    const [first] = this.#events;
    const last = this.#events.pop();
    if (first === undefined || last === undefined || first === last) return first;
    let at = 0;
    for (;;) {
      const [left, right] = [this.#events[2 * at + 1], this.#events[2 * at + 2]];
      if (left === undefined) break;
      const isRight = right !== undefined && isBefore(right, left);
      const child = isRight ? right : left;
      if (!isBefore(child, last)) break;
      this.#events[at] = child;
      at = 2 * at + (isRight ? 2 : 1);
    }
    this.#events[at] = last;
    return first;
  }
}

/** Calls back once it has been called so many times; at once, if that is none. */
export function countdown(count: number, done: () => void): () => void {
  let left = count;
  if (left === 0) done();
  return () => {
    left -= 1;
    if (left === 0) done();
  };
}
