import { createEpochLock, createMemoryStores, jsonCodec } from "@retake/coordinator";
import {
  createKubeClient,
  createKubeLeaseRecords,
  createKubeLock,
  type EpochLock,
  type LeaderRecords,
  type Leadership,
} from "@retake/coordinator/kubernetes";
import { Code, RetakeError } from "@retake/errors";
import { describe, expect, it } from "vitest";
import { ApiState } from "./api-state.js";
import { createWay, type Journey } from "./journeys.js";
import { createLocalTransport } from "./local-transport.js";
import { Machine, VirtualTime } from "./virtual-time.js";

const leaseDurationMs = 3000;
const leasePath = "/apis/coordination.k8s.io/v1/namespaces/retake/leases/coordinator";

interface Setting {
  readonly time: VirtualTime;
  readonly state: ApiState;
  readonly leaders: LeaderRecords;
}

interface Place extends Setting {
  readonly machine: Machine;
  /** Of the lease of this implementation. */
  readonly journey: () => Journey;
}

const storeLock = ({ time, machine, leaders, journey }: Place): EpochLock => {
  const way = createWay({ time, machine, journey });
  const far: LeaderRecords = {
    get: (id) => way(() => leaders.get(id)),
    create: (id, value) => way(() => leaders.create(id, value)),
    update: (id, value, options) => way(() => leaders.update(id, value, options)),
  };
  return createEpochLock(far, { leaseDurationMs, clock: machine.clock });
};

const kubeLock = ({ time, machine, state, leaders, journey }: Place): EpochLock => {
  const { clock } = machine;
  const transport = createLocalTransport({ state, time, machine, journey });
  const lease = createKubeLeaseRecords({
    ...{ client: createKubeClient({ transport, clock }), namespace: "retake", name: "coordinator" },
    ...{ deadlineMs: leaseDurationMs / 3, nowUnixMs: () => machine.nowUnixMs() },
  });
  return createKubeLock({ lease, leaders, leaseDurationMs, clock });
};

function setUp(createLock: (place: Place) => EpochLock) {
  const time = new VirtualTime();
  const record = jsonCodec((json) => json);
  const commit = jsonCodec((json) => json as { editId: string; epoch: number; step: number });
  const { leaders } = createMemoryStores({ record, commit });
  const setting: Setting = { time, state: new ApiState({ nowMs: () => time.nowMs }), leaders };
  const lost: string[] = [];
  const holder = (name: string) => {
    const machine = new Machine(time);
    const faults = { mode: "well" as Journey["mode"] };
    const journey = (): Journey => ({ mode: faults.mode, thereMs: 5, backMs: 5 });
    const lock = createLock({ ...setting, machine, journey });
    const ending = new AbortController();
    let leads: Leadership | undefined;
    const onLost = (reason: string): void => {
      leads = undefined;
      lost.push(`${name}: ${reason}`);
    };
    const acquired = (): Promise<Leadership> =>
      lock.acquire(name, { onLost, signal: ending.signal }).then((leadership) => {
        leads = leadership;
        return leadership;
      });
    return { machine, faults, lock, ending, acquired, leads: () => leads };
  };
  return { ...setting, lost, holder };
}

const implementations = [
  ["a lease in the store", storeLock],
  ["a Lease of Kubernetes", kubeLock],
] as const;

describe.each(implementations)("leadership by %s", (_, createLock) => {
  it("is one holder's while it renews, and the next one's at once when given back", async () => {
    const { time, leaders, lost, holder } = setUp(createLock);
    const [one, two] = [holder("one"), holder("two")];
    void one.acquired();
    await time.advance(100);
    void two.acquired();
    await time.advance(20 * leaseDurationMs);
    expect([one.leads()?.epoch, two.leads(), lost]).toEqual([1, undefined, []]);
    void one.leads()?.release();
    await time.advance(leaseDurationMs / 3 + 100);
    expect([two.leads()?.epoch, lost]).toEqual([2, []]);
    expect((await leaders.get("leader"))?.value.holder).toBe("two");
  });

  it.each(["away", "silent", "deaf"] as const)(
    "ends before another's begins when the lease is %s for the holder",
    async (mode) => {
      const { time, lost, holder } = setUp(createLock);
      const [one, two] = [holder("one"), holder("two")];
      void one.acquired();
      await time.advance(100);
      void two.acquired();
      one.faults.mode = mode;
      for (let tick = 0; tick < 50; tick++) {
        await time.advance(100);
        expect([one.leads(), two.leads()]).toContain(undefined);
      }
      expect([one.leads(), two.leads()?.epoch]).toEqual([undefined, 2]);
      expect(lost).toHaveLength(1);
    },
  );

  it("outlives an outage that is shorter than the lease", async () => {
    const { time, lost, holder } = setUp(createLock);
    const one = holder("one");
    void one.acquired();
    await time.advance(100);
    one.faults.mode = "away";
    await time.advance(leaseDurationMs / 2);
    one.faults.mode = "well";
    await time.advance(10 * leaseDurationMs);
    expect([one.leads()?.epoch, one.leads()?.isCurrent(), lost]).toEqual([1, true, []]);
  });

  it("is gone for a holder that was paused, as soon as it goes on", async () => {
    const { time, lost, holder } = setUp(createLock);
    const [one, two] = [holder("one"), holder("two")];
    void one.acquired();
    await time.advance(100);
    void two.acquired();
    await time.advance(100);
    one.machine.pause();
    await time.advance(1.5 * leaseDurationMs);
    expect([one.leads()?.isCurrent(), two.leads()?.epoch]).toEqual([false, 2]);
    one.machine.resume();
    await time.advance(0);
    expect([one.leads(), lost]).toEqual([
      undefined,
      [expect.stringMatching(/^one: the lease could not be renewed for/)],
    ]);
    await time.advance(leaseDurationMs);
    expect(two.leads()?.isCurrent()).toBe(true);
  });

  it("comes back to a holder at once when nobody has taken it, with another epoch", async () => {
    const { time, holder } = setUp(createLock);
    const one = holder("one");
    void one.acquired();
    await time.advance(100);
    one.machine.pause();
    await time.advance(10 * leaseDurationMs);
    one.machine.resume();
    await time.advance(0);
    expect(one.leads()).toBe(undefined);
    void one.acquired();
    await time.advance(100);
    expect(one.leads()?.epoch).toBe(2);
  });

  it("has another epoch for each of many holders", async () => {
    const { time, holder } = setUp(createLock);
    const epochs: number[] = [];
    for (const name of ["a", "b", "c", "d", "e"]) {
      void holder(name)
        .acquired()
        .then((leadership) => {
          epochs.push(leadership.epoch);
          return leadership.release();
        });
    }
    await time.advance(10 * leaseDurationMs);
    expect(epochs).toEqual([1, 2, 3, 4, 5]);
  });

  it("is waited for through an outage, until the signal aborts", async () => {
    const { time, holder } = setUp(createLock);
    const one = holder("one");
    one.faults.mode = "away";
    const stopped = expect(one.acquired()).rejects.toMatchObject({ reason: "stopped" });
    await time.advance(10 * leaseDurationMs);
    one.ending.abort();
    await time.advance(leaseDurationMs);
    await stopped;
  });
});

describe("createKubeLock", () => {
  const leaseOf = (state: ApiState) => state.object(leasePath)?.spec;

  it("writes a Lease as others do, and empties its holder when it ends", async () => {
    const { time, state, holder } = setUp(kubeLock);
    const labels = { "app.kubernetes.io/name": "retake" };
    state.put(leasePath, { metadata: { labels } });
    const one = holder("one");
    void one.acquired();
    await time.advance(1500);
    expect(leaseOf(state)).toEqual({
      ...{ holderIdentity: "one", leaseDurationSeconds: 3, leaseTransitions: 0 },
      acquireTime: "2026-01-01T00:00:00.010000Z",
      renewTime: "2026-01-01T00:00:01.010000Z",
    });
    void one.leads()?.release();
    await time.advance(1000);
    expect(leaseOf(state)).toMatchObject({ holderIdentity: "", leaseTransitions: 0 });
    expect(state.object(leasePath)?.metadata).toMatchObject({ labels });
  });

  it("counts a transition for another holder, and none for one that comes back", async () => {
    const { time, state, holder } = setUp(kubeLock);
    const transitions: unknown[] = [];
    const [one, two] = [holder("one"), holder("two")];
    for (const next of [one, one, two, one]) {
      void next.acquired();
      await time.advance(2000);
      transitions.push((leaseOf(state) as { leaseTransitions: number }).leaseTransitions);
      if (next === one && transitions.length === 1) next.machine.pause();
      else void next.leads()?.release();
      await time.advance(2 * leaseDurationMs);
      next.machine.resume();
    }
    expect(transitions).toEqual([0, 0, 1, 2]);
    expect((await one.lock.current())?.epoch).toBe(4);
  });

  it("takes the epoch at once from a leader without Kubernetes, and must keep both", async () => {
    const { time, state, leaders, lost, holder } = setUp(kubeLock);
    const old = { holder: "old", epoch: 7, leaseDurationMs: 1e9, renewals: 0 };
    await leaders.create("leader", old);
    const one = holder("one");
    void one.acquired();
    await time.advance(100);
    expect(one.leads()?.epoch).toBe(8);
    const found = await leaders.get("leader");
    await leaders.update("leader", { ...old, epoch: 9 }, { revision: found?.revision ?? 0 });
    await time.advance(leaseDurationMs);
    expect([one.leads(), lost]).toEqual([undefined, [expect.stringMatching(/is another's/)]]);
    expect(leaseOf(state)).toMatchObject({ holderIdentity: "one" });
  });

  it("leaves the Lease to others while it does not reach the store", async () => {
    const { time, state, leaders, holder } = setUp(kubeLock);
    const broken = { get: leaders.get, isAway: true };
    leaders.get = (id) => {
      const away = new RetakeError(Code.Unavailable, "store-unavailable", "the store is away");
      return broken.isAway ? Promise.reject(away) : broken.get(id);
    };
    const one = holder("one");
    void one.acquired();
    await time.advance(3 * leaseDurationMs);
    expect(leaseOf(state)).toBe(undefined);
    broken.isAway = false;
    await time.advance(leaseDurationMs);
    expect(one.leads()?.epoch).toBe(1);
  });

  it("waits while its role does not let it, and leads when it does", async () => {
    const { time, state, holder } = setUp(kubeLock);
    state.faults.permits = ({ verb }) => verb === "get";
    const one = holder("one");
    void one.acquired();
    await time.advance(10 * leaseDurationMs);
    expect(one.leads()).toBe(undefined);
    state.faults.permits = undefined;
    await time.advance(leaseDurationMs);
    expect(one.leads()?.epoch).toBe(1);
  });

  it("loses the lead when the Lease is removed or another's", async () => {
    const { time, state, lost, holder } = setUp(kubeLock);
    const one = holder("one");
    void one.acquired();
    await time.advance(100);
    state.remove(leasePath);
    await time.advance(leaseDurationMs / 3);
    expect(lost).toEqual([expect.stringMatching(/^one: the lease is another's: PUT .* got 404/)]);
  });
});
