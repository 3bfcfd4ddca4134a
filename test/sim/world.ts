import { type Chance, chanceOf } from "./random.js";
import { TimerHeap } from "./timer-heap.js";

/** A process of the simulation: it may be down, or stopped for a while. */
export interface Process {
  readonly name: string;
  /** Grows with every start, so that what was meant for an earlier life is not done. */
  life: number;
  isUp: boolean;
  stoppedUntilMs: number;
}

export interface FaultRates {
  readonly drop: number;
  readonly duplicate: number;
  readonly slow: number;
}

/** The virtual clock and network; everything that happens, happens here, in one order. */
export class World {
  readonly chance: Chance;
  nowMs = 1_000_000;
  /** Messages suffer only until then. */
  faultsUntilMs = 0;
  rates: FaultRates = { drop: 0, duplicate: 0, slow: 0 };
  readonly cutLinks = new Set<string>();
  readonly counts = new Map<string, number>();
  readonly violations: string[] = [];
  readonly trace: string[] = [];
  readonly #timers = new TimerHeap();

  constructor(seed: number) {
    this.chance = chanceOf(seed);
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  note(text: string): void {
    this.trace.push(`${this.nowMs - 1_000_000} ms: ${text}`);
    if (this.trace.length > 60) this.trace.shift();
  }

  violate(text: string): void {
    this.violations.push(text);
    this.note(`VIOLATION ${text}`);
  }

  /** Runs something later, in no process: it cannot be lost. */
  at(delayMs: number, run: () => void): void {
    this.#timers.push(this.nowMs + delayMs, run);
  }

  /** Runs something later in a process: lost with its life, delayed while it is stopped. */
  inProcess(process: Process, delayMs: number, run: () => void): void {
    const { life } = process;
    const attempt = (): void => {
      if (!process.isUp || process.life !== life) return;
      const waitMs = process.stoppedUntilMs - this.nowMs;
      if (waitMs > 0) this.at(waitMs, attempt);
      else run();
    };
    this.at(delayMs, attempt);
  }

  isCut(left: Process, right: Process): boolean {
    return this.cutLinks.size > 0 && this.cutLinks.has(linkOf(left.name, right.name));
  }

  /** A message: dropped, doubled, late and out of order while faults last. */
  send(from: Process, to: Process, deliver: () => void): void {
    const isFaulty = this.nowMs < this.faultsUntilMs;
    if (isFaulty && this.chance.happens(this.rates.drop)) {
      this.count("dropped message");
      return;
    }
    const copies = isFaulty && this.chance.happens(this.rates.duplicate) ? 2 : 1;
    if (copies > 1) this.count("doubled message");
    for (let copy = 0; copy < copies; copy += 1) {
      const isSlow = isFaulty && this.chance.happens(this.rates.slow);
      if (isSlow) this.count("late message");
      const delayMs = isSlow
        ? this.chance.whole({ min: 50, max: 3000 })
        : this.chance.whole({ min: 1, max: 4 });
      this.inProcess(to, delayMs, () => {
        if (this.isCut(from, to)) this.count("cut message");
        else deliver();
      });
    }
  }

  /** Lets time pass until nothing is left to do, or what is waited for has come. */
  run(untilMs: number, isOver: () => boolean): void {
    while (this.violations.length === 0) {
      const timer = this.#timers.first;
      if (timer === undefined || timer.atMs > untilMs || isOver()) return;
      this.#timers.pop();
      this.nowMs = Math.max(this.nowMs, timer.atMs);
      timer.run();
    }
  }
}

export const linkOf = (left: string, right: string): string =>
  left < right ? `${left}|${right}` : `${right}|${left}`;
