import type { Machine, VirtualTime } from "../virtual-time.js";

/** A process of a coordinator that runs, and what it believes. */
export interface Contender {
  readonly id: string;
  readonly machine: Machine;
  /** It has a lease, and has not been told that it lost it. */
  leads: boolean;
  /** Nothing keeps it from leading: it is awake, and reaches both servers. */
  isAble(): boolean;
}

export interface Takeover {
  /** From when the last leader stopped, or was stopped, to the next one's first write. */
  readonly wallMs: number;
  /** As much of it as some coordinator was able to lead. */
  readonly ableMs: number;
}

/** What has happened, and what must never happen. */
export class Ledger {
  readonly takeovers: Takeover[] = [];
  readonly violations: string[] = [];
  readonly counts = new Map<string, number>();
  readonly trace: string[] = [];
  readonly #time: VirtualTime;
  readonly #contenders = new Set<Contender>();
  #highestEpoch = 0;
  #gap: { readonly sinceMs: number; ableMs: number } | undefined;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  note(line: string): void {
    this.trace.push(`${(this.#time.nowMs / 1000).toFixed(3)} ${line}`);
  }

  enter(contender: Contender): void {
    this.#contenders.add(contender);
  }

  leave(contender: Contender): void {
    this.#contenders.delete(contender);
    this.#lookForGap();
  }

  setLeads(contender: Contender, leads: boolean): void {
    if (contender.leads === leads) return;
    contender.leads = leads;
    this.note(`${contender.id} ${leads ? "leads" : "leads no more"}`);
    this.#lookForGap();
  }

  /** Called when the store took a write, in the order in which it did. */
  accepted(epoch: number): void {
    this.count("write");
    if (epoch < this.#highestEpoch) {
      this.#violate(`a write of epoch ${epoch} after one of epoch ${this.#highestEpoch}`);
    }
    const gap = this.#gap;
    this.#gap = undefined;
    if (epoch <= this.#highestEpoch) return;
    if (this.#highestEpoch > 0 && gap !== undefined) {
      const wallMs = this.#time.nowMs - gap.sinceMs;
      this.takeovers.push({ wallMs, ableMs: gap.ableMs });
      this.note(`epoch ${epoch} writes, after ${wallMs} ms (${gap.ableMs} able)`);
    }
    this.#highestEpoch = epoch;
  }

  /** Called regularly: looks who leads, awake. */
  look(everyMs: number): void {
    const leaders = [...this.#contenders].filter(
      ({ leads, machine }) => leads && !machine.isPaused,
    );
    if (leaders.length > 1) {
      this.#violate(`${leaders.map(({ id }) => id).join(" and ")} lead at once`);
    }
    this.#lookForGap();
    const isAble = [...this.#contenders].some((contender) => contender.isAble());
    if (this.#gap !== undefined && isAble) this.#gap.ableMs += everyMs;
  }

  #lookForGap(): void {
    const isLed = [...this.#contenders].some(({ leads, machine }) => leads && !machine.isPaused);
    if (!isLed) this.#gap ??= { sinceMs: this.#time.nowMs, ableMs: 0 };
  }

  /** Whatever goes wrong goes on going wrong: once is enough to know. */
  #violate(what: string): void {
    if (this.violations.length < violationsMax) this.violations.push(what);
    this.note(what);
  }

  violate(what: string): void {
    this.#violate(what);
  }
}

const violationsMax = 5;

/** The value that so large a part of all does not exceed. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)] ?? 0;
}
