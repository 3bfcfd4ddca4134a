/** Waiting as the coordinator's clocks do it. */
export interface MachineClock {
  nowMs(): number;
  wait(durationMs: number, signal: AbortSignal): Promise<void>;
}

interface Timer {
  readonly atMs: number;
  readonly serial: number;
  readonly end: () => void;
}

/** Time that stands until it is told to move, shared by all machines of a test. */
export class VirtualTime {
  #nowMs = 0;
  #serial = 0;
  readonly #timers = new Set<Timer>();

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Ends early, without an error, when the signal aborts. */
  after(durationMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      this.#serial += 1;
      const timer: Timer = {
        ...{ atMs: this.#nowMs + Math.max(0, durationMs), serial: this.#serial },
        end: () => {
          this.#timers.delete(timer);
          signal?.removeEventListener("abort", timer.end);
          resolve();
        },
      };
      signal?.addEventListener("abort", timer.end);
      this.#timers.add(timer);
    });
  }

  /** Moves on, and lets what waited go on, each at its own time. */
  async advance(durationMs: number): Promise<void> {
    const untilMs = this.#nowMs + durationMs;
    for (;;) {
      await settled();
      let next: Timer | undefined;
      for (const timer of this.#timers) {
        const isSooner =
          next === undefined ||
          timer.atMs < next.atMs ||
          (timer.atMs === next.atMs && timer.serial < next.serial);
        if (isSooner) next = timer;
      }
      if (next === undefined || next.atMs > untilMs) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.end();
    }
    this.#nowMs = untilMs;
    await settled();
  }
}

/** A machine: a clock of its own, which is off and runs at its own speed; and pauses. */
export class Machine {
  readonly clock: MachineClock;
  /** What its wall clock says is ahead by so much. */
  readonly wallAheadMs: number;
  readonly #time: VirtualTime;
  #awake: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  constructor(time: VirtualTime, { rate = 1, wallAheadMs = 0 } = {}) {
    this.#time = time;
    this.wallAheadMs = wallAheadMs;
    this.clock = {
      nowMs: () => time.nowMs * rate,
      wait: async (durationMs, signal) => {
        await time.after(durationMs / rate, signal);
        await this.awake();
      },
    };
  }

  get isPaused(): boolean {
    return this.#awake !== undefined;
  }

  nowUnixMs(): number {
    return Date.UTC(2026, 0, 1) + this.#time.nowMs + this.wallAheadMs;
  }

  /** Nothing of it goes on while it is paused: neither timers nor answers that have come. */
  async awake(): Promise<void> {
    while (this.#awake !== undefined) await this.#awake.promise;
  }

  pause(): void {
    if (this.#awake !== undefined) return;
    const { promise, resolve } = withResolvers();
    this.#awake = { promise, resolve };
  }

  resume(): void {
    const awake = this.#awake;
    this.#awake = undefined;
    awake?.resolve();
  }
}

function withResolvers() {
  let resolve = (): void => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** Lets every promise that can go on do so: nothing here waits for anything but this time. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
