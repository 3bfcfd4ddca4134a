import { type Chance, chanceOf } from "./random.js";

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

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
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
  #timers: Timer[] = [];
  #order = 0;

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
    this.#order += 1;
    push(this.#timers, { atMs: this.nowMs + delayMs, order: this.#order, run });
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
      const timer = this.#timers[0];
      if (timer === undefined || timer.atMs > untilMs || isOver()) return;
      pop(this.#timers);
      this.nowMs = Math.max(this.nowMs, timer.atMs);
      timer.run();
    }
  }
}

export const linkOf = (left: string, right: string): string =>
  left < right ? `${left}|${right}` : `${right}|${left}`;

const isBefore = (left: Timer, right: Timer): boolean =>
  left.atMs !== right.atMs ? left.atMs < right.atMs : left.order < right.order;

/** A binary heap: runs have thousands of timers. */
function push(heap: Timer[], timer: Timer): void {
  let index = heap.length;
  heap.push(timer);
  while (index > 0) {
    const above = (index - 1) >> 1;
    const parent = heap[above];
    if (parent === undefined || !isBefore(timer, parent)) break;
    heap[index] = parent;
    index = above;
  }
  heap[index] = timer;
}

function pop(heap: Timer[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    const right = heap[child + 1];
    let below = heap[child];
    if (below === undefined) break;
    if (right !== undefined && isBefore(right, below)) {
      below = right;
      child += 1;
    }
    if (!isBefore(below, last)) break;
    heap[index] = below;
    index = child;
  }
  heap[index] = last;
}
