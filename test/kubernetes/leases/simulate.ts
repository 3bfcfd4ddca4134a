import { relistEveryMsDefault } from "./contender.js";
import { faults, type Seat, start } from "./faults.js";
import type { Takeover } from "./ledger.js";
import { change, createWorld, type Plant, type World } from "./world.js";

export interface Simulated {
  readonly violations: readonly string[];
  readonly takeovers: readonly Takeover[];
  /** How long a change stayed unseen that a watch did not tell. */
  readonly noticedMs: readonly number[];
  readonly counts: ReadonlyMap<string, number>;
  readonly trace: readonly string[];
  readonly virtualMs: number;
}

const virtualMs = 300_000;
const tickMs = 100;
/** A retried call, and the way there and back. */
const noticeSlackMs = 6000;

/** Two coordinators for five minutes, with faults; the same seed gives the same run. */
export async function simulate(seed: number, plant?: Plant): Promise<Simulated> {
  const world = createWorld(seed, plant);
  const { time, chance, ledger } = world;
  const seats = ["one", "two"].map((name): Seat => {
    const rate = 1 + (chance.next() - 0.5) / 10;
    const wallAheadMs = chance.whole({ min: -3_600_000, max: 3_600_000 });
    return { name, rate, wallAheadMs, startCount: 0, process: undefined };
  });
  for (const seat of seats) start(world, seat);
  void breakThings(world, seats);
  void changeThings(world);
  const notice = new Notice(world, seats);
  for (let nowMs = 0; nowMs < virtualMs; nowMs += tickMs) {
    await time.advance(tickMs);
    ledger.look(tickMs);
    notice.look();
  }
  const { violations, takeovers, counts, trace } = ledger;
  return { violations, takeovers, counts, trace, noticedMs: notice.noticedMs, virtualMs };
}

/** One fault after the other, and now and then some at once. */
async function breakThings(world: World, seats: readonly Seat[]): Promise<void> {
  const { time, chance, ledger } = world;
  const names = Object.keys(faults);
  const meanMs = chance.whole({ min: 8000, max: 40_000 });
  for (;;) {
    await time.after(chance.whole({ min: 0, max: 2 * meanMs }));
    const name = names[chance.whole({ min: 0, max: names.length - 1 })] ?? "";
    const leading = seats.find(({ process }) => process?.leads === true);
    const any = seats[chance.whole({ min: 0, max: 1 })];
    const seat = chance.happens(0.7) ? (leading ?? any) : any;
    if (seat === undefined) continue;
    ledger.count(name);
    ledger.note(`${name} (${seat.name})`);
    void faults[name]?.(world, seat);
  }
}

async function changeThings(world: World): Promise<void> {
  for (;;) {
    await world.time.after(world.chance.whole({ min: 1000, max: 12_000 }));
    change(world);
  }
}

/** How long changes stay unseen by processes that could see them. */
class Notice {
  readonly noticedMs: number[] = [];
  readonly #world: World;
  readonly #seats: readonly Seat[];
  readonly #unseen = new Map<string, { readonly change: number; readonly sinceMs: number }>();

  constructor(world: World, seats: readonly Seat[]) {
    this.#world = world;
    this.#seats = seats;
  }

  look(): void {
    const { time, ledger, changeCount } = this.#world;
    for (const { process } of this.#seats) {
      if (process === undefined) continue;
      const { id, seenCount } = process;
      const unseen = this.#unseen.get(id);
      if (!process.isAble() && unseen !== undefined) this.#unseen.delete(id);
      else if (unseen === undefined && seenCount < changeCount) {
        this.#unseen.set(id, { change: seenCount + 1, sinceMs: time.nowMs });
      } else if (unseen !== undefined && seenCount >= unseen.change) {
        const tookMs = time.nowMs - unseen.sinceMs;
        if (tookMs > watchedMsMax) this.noticedMs.push(tookMs);
        this.#unseen.delete(id);
      } else if (unseen !== undefined) {
        const unseenMs = time.nowMs - unseen.sinceMs;
        if (unseenMs <= relistEveryMsDefault + noticeSlackMs) continue;
        ledger.violate(`${id} has not seen change ${unseen.change} for ${unseenMs} ms`);
      }
    }
  }
}

/** A watch that works tells sooner. */
const watchedMsMax = 3000;
