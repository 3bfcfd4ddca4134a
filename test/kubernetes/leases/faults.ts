import type { Journey } from "../journeys.js";
import { LeaseProcess } from "./contender.js";
import { leasePath, type World } from "./world.js";

/** One of the two coordinators: its process, which ends and is started again. */
export interface Seat {
  readonly name: string;
  readonly rate: number;
  wallAheadMs: number;
  startCount: number;
  process: LeaseProcess | undefined;
}

export function start(world: World, seat: Seat): void {
  seat.startCount += 1;
  seat.process = new LeaseProcess(world, `${seat.name}-${seat.startCount}`, { ...seat });
}

type Fault = (world: World, seat: Seat) => Promise<void>;

const broken: readonly Journey["mode"][] = ["away", "silent", "deaf"];

const modeOf = ({ chance }: World): Journey["mode"] =>
  broken[chance.whole({ min: 0, max: broken.length - 1 })] ?? "away";

const lasts = ({ time, chance }: World, min: number, max: number): Promise<void> =>
  time.after(1000 * chance.whole({ min, max }));

/** What goes wrong, for a while. */
export const faults: Readonly<Record<string, Fault>> = {
  "pause longer than a lease": async (world, { process }) => {
    process?.machine.pause();
    await lasts(world, 16, 50);
    process?.machine.resume();
  },
  "short pause": async (world, { process }) => {
    process?.machine.pause();
    await lasts(world, 1, 12);
    process?.machine.resume();
  },
  kill: async (world, seat) => {
    const { process } = seat;
    if (process === undefined) return;
    seat.process = undefined;
    process.kill();
    await lasts(world, 1, 30);
    start(world, seat);
  },
  stop: async (world, seat) => {
    const { process } = seat;
    if (process === undefined || process.machine.isPaused) return;
    seat.process = undefined;
    await process.stop();
    await lasts(world, 1, 30);
    start(world, seat);
  },
  "API server away": async (world) => {
    world.apiMode = modeOf(world);
    await lasts(world, 2, 30);
    world.apiMode = "well";
  },
  "API server away for one": async (world, { process }) => {
    if (process === undefined) return;
    process.apiMode = modeOf(world);
    await lasts(world, 2, 60);
    process.apiMode = "well";
  },
  "store away": async (world) => {
    world.storeMode = modeOf(world);
    await lasts(world, 1, 12);
    world.storeMode = "well";
  },
  "store away for one": async (world, { process }) => {
    if (process === undefined) return;
    process.storeMode = modeOf(world);
    await lasts(world, 2, 40);
    process.storeMode = "well";
  },
  "429": async ({ state, chance }) => {
    state.faults.throttledRequests = chance.whole({ min: 1, max: 8 });
    state.faults.retryAfterS = chance.whole({ min: 1, max: 3 });
  },
  "token expired": async (world) => {
    const next = `token-${world.time.nowMs}`;
    world.state.faults.tokens = new Set([next]);
    await world.time.after(world.chance.whole({ min: 0, max: 4000 }));
    // A later one may have come meanwhile.
    if (world.state.faults.tokens.has(next)) world.token = next;
  },
  "410": async ({ state }) => {
    state.compact();
    state.endWatches();
  },
  stall: async ({ state }) => state.stallWatches(),
  "watch ended": async ({ state }) => {
    state.sendBookmarks();
    state.endWatches();
  },
  conflict: async ({ state, time }) => {
    const lease = state.object(leasePath);
    if (lease === undefined) return;
    const annotations = { edited: String(time.nowMs) };
    state.put(leasePath, { ...lease, metadata: { ...lease.metadata, annotations } });
  },
};
