import { TimerHeap } from "../../test/sim/timer-heap.js";

/** Virtual time: it goes from one event to the next, and takes none to pass. */
export class VirtualClock {
  #nowMs = 0;
  readonly #events = new TimerHeap();

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Has something happen after some time, in milliseconds. */
  after(delayMs: number, run: () => void): void {
    this.#events.push(this.#nowMs + delayMs, run);
  }

  /** Lets everything happen that was asked for, and what comes of it. */
  run(): void {
    for (let next = this.#events.pop(); next !== undefined; next = this.#events.pop()) {
      this.#nowMs = next.atMs;
      next.run();
    }
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
