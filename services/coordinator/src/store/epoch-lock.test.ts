import { Code, RetakeError } from "@retake/errors";
import { describe, expect, it } from "vitest";
import { jsonCodec } from "./codec.js";
import { createEpochLock, type Leadership } from "./epoch-lock.js";
import { decodeLeader, type Leader } from "./lease-claim.js";
import { createMemoryRecords } from "./memory-records.js";
import type { RecordStore } from "./record-store.js";
import { createManualClock } from "./testing/manual-clock.js";

const leaseDurationMs = 300;

/** Two would-be leaders on one store; what `fault` throws or awaits, the first one's writes do. */
function setUp() {
  const clock = createManualClock();
  const leaders = createMemoryRecords<Leader>(jsonCodec(decodeLeader));
  const fault = { act: async (): Promise<void> => undefined };
  const faulty: RecordStore<Leader> = {
    ...leaders,
    update: async (id, value, options) => {
      await fault.act();
      return leaders.update(id, value, options);
    },
  };
  const lost: string[] = [];
  const ending = new AbortController();
  const acquire = (holder: string, store: RecordStore<Leader>): Promise<Leadership> =>
    createEpochLock(store, { leaseDurationMs, clock }).acquire(holder, {
      onLost: (reason) => lost.push(`${holder}: ${reason}`),
      signal: ending.signal,
    });
  return {
    clock,
    leaders,
    fault,
    lost,
    ending,
    first: () => acquire("one", faulty),
    second: () => acquire("two", leaders),
  };
}

const unavailable = () =>
  Promise.reject(new RetakeError(Code.Unavailable, "store-unavailable", "the store is away"));

describe("createEpochLock", () => {
  it("gives one leader the first epoch and keeps the other waiting while it renews", async () => {
    const { clock, lost, first, second, leaders } = setUp();
    expect((await first()).epoch).toBe(1);
    let isSecond = false;
    void second().then(() => {
      isSecond = true;
    });
    await clock.advance(20 * leaseDurationMs);
    expect(isSecond).toBe(false);
    expect(lost).toEqual([]);
    expect((await leaders.get("leader"))?.value.renewals).toBe(60);
  });

  it("gives the next epoch at once to who waits when the lease is given back", async () => {
    const { clock, lost, first, second, leaders } = setUp();
    const one = await first();
    const waiting = second();
    await clock.advance(1000);
    await one.release();
    await clock.advance(leaseDurationMs / 3);
    const two = await waiting;
    expect([two.epoch, two.reason]).toEqual([2, "epoch 1 gave the lease back"]);
    expect(lost).toEqual([]);
    await one.release();
    expect((await leaders.get("leader"))?.value.holder).toBe("two");
  });

  it("has the holder stop before others may begin, when its renewals do not arrive", async () => {
    const { clock, fault, lost, first, second } = setUp();
    await first();
    const times: Record<string, number> = {};
    const waiting = second().then((two) => {
      times.taken = clock.nowMs();
      return two;
    });
    await clock.advance(50);
    fault.act = unavailable;
    for (let tick = 0; tick < 60; tick++) {
      await clock.advance(10);
      if (lost.length > 0) times.lost ??= clock.nowMs();
    }
    expect((await waiting).epoch).toBe(2);
    expect(lost).toEqual([expect.stringContaining("one: the lease could not be renewed")]);
    expect(times.lost).toBeLessThan(times.taken ?? 0);
  });

  it("loses the lease when a renewal hangs", async () => {
    const { clock, fault, lost, first } = setUp();
    await first();
    fault.act = () => new Promise(() => undefined);
    await clock.advance(leaseDurationMs - 1);
    expect(lost).toEqual(["one: the lease could not be renewed for 200 ms"]);
  });

  it("goes on when an outage is shorter than the lease", async () => {
    const { clock, fault, lost, first } = setUp();
    await first();
    fault.act = unavailable;
    await clock.advance(150);
    fault.act = async () => undefined;
    await clock.advance(10 * leaseDurationMs);
    expect(lost).toEqual([]);
  });

  it("tells a holder that was paused past its lease that another leads", async () => {
    const { clock, lost, leaders, first } = setUp();
    await first();
    const held = await leaders.get("leader");
    const value: Leader = { holder: "two", epoch: 2, leaseDurationMs, renewals: 0 };
    await leaders.update("leader", value, { revision: held?.revision ?? 0 });
    await clock.advance(leaseDurationMs / 3);
    expect(lost).toEqual([expect.stringContaining("one: the lease is another's: record leader")]);
  });

  it("waits through an outage of the store, and until it is told to stop", async () => {
    const { clock, fault, ending, first, leaders } = setUp();
    const value: Leader = { holder: "", epoch: 5, leaseDurationMs, renewals: 0 };
    await leaders.create("leader", value);
    fault.act = unavailable;
    const waiting = first();
    const stopped = expect(waiting).rejects.toMatchObject({ code: "CANCELED", reason: "stopped" });
    await clock.advance(1000);
    ending.abort();
    await clock.advance(leaseDurationMs);
    await stopped;
  });

  it("grows the epoch at every takeover, however many want it", async () => {
    const { clock, leaders, ending } = setUp();
    const epochs: number[] = [];
    const contend = async (holder: string) => {
      const lock = createEpochLock(leaders, { leaseDurationMs, clock });
      const leadership = await lock.acquire(holder, {
        onLost: () => undefined,
        signal: ending.signal,
      });
      epochs.push(leadership.epoch);
      await clock.wait(10, ending.signal);
      await leadership.release();
    };
    const all = Promise.all(["a", "b", "c", "d", "e"].map(contend));
    await clock.advance(10 * leaseDurationMs);
    await all;
    expect(epochs).toEqual([1, 2, 3, 4, 5]);
  });
});
