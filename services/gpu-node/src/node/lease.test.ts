import { describe, expect, it } from "vitest";
import { decideLease, type Lease, type LeaseEvent, noLease, wakeAtMs } from "./lease.js";

const delays = { retryDelayMsMin: 100, retryDelayMsMax: 500 };
const decide = (lease: Lease, event: LeaseEvent, nowMs: number) =>
  decideLease(lease, event, { nowMs, ...delays });
const tick: LeaseEvent = { kind: "tick" };
const joinedAt = (askedAtMs: number): LeaseEvent => ({
  ...{ kind: "joined", askedAtMs, leaseDurationMs: 3000, heartbeatEveryMs: 1000 },
});
const answered = (askedAtMs: number, more = {}): LeaseEvent => ({
  ...{ kind: "heartbeat-answered", askedAtMs, mustJoin: false, mustDrain: false, ...more },
});
/** Asked to join at 0, answered at 20. */
const inside = decide(decide(noLease(0), tick, 0).lease, joinedAt(0), 20).lease;

describe("decideLease", () => {
  it("joins at once, and asks only once at a time", () => {
    const first = decide(noLease(0), tick, 0);
    expect(first.effects).toEqual([{ kind: "join" }]);
    expect(decide(first.lease, tick, 10).effects).toEqual([]);
    expect(wakeAtMs(first.lease)).toBe(Number.POSITIVE_INFINITY);
  });

  it("counts the lease and the heartbeats from when it asked, not from the answer", () => {
    expect(inside).toMatchObject({ place: "inside", expiresAtMs: 3000, nextAtMs: 1000 });
    expect(wakeAtMs(inside)).toBe(1000);
    expect(decide(inside, tick, 999).effects).toEqual([]);
    expect(decide(inside, tick, 1000).effects).toEqual([{ kind: "heartbeat" }]);
  });

  it("prolongs the lease by an answer", () => {
    const asking = decide(inside, tick, 1000).lease;
    const { lease, effects } = decide(asking, answered(1000), 1050);
    expect(lease).toMatchObject({ expiresAtMs: 4000, nextAtMs: 2000, isAsking: false });
    expect(effects).toEqual([]);
  });

  it("loses the lease when its time is over, not before, and joins again", () => {
    const asking = decide(inside, tick, 1000).lease;
    expect(wakeAtMs(asking)).toBe(3000);
    expect(decide(asking, tick, 2999).effects).toEqual([]);
    const lost = decide(asking, tick, 3000);
    expect(lost.effects).toEqual([{ kind: "void-tasks" }]);
    expect(decide(lost.lease, tick, 3000).effects).toEqual([{ kind: "join" }]);
  });

  it("loses it when the answer comes after the lease that it prolongs", () => {
    const asking = decide(inside, tick, 1000).lease;
    expect(decide(asking, answered(1000), 3999).lease.place).toBe("inside");
    expect(decide(asking, answered(1000), 4000).effects).toEqual([{ kind: "void-tasks" }]);
  });

  it("joins again when the coordinator says so", () => {
    const asking = decide(inside, tick, 1000).lease;
    const { lease, effects } = decide(asking, answered(1000, { mustJoin: true }), 1010);
    expect(effects).toEqual([{ kind: "void-tasks" }]);
    expect(decide(lease, tick, 1010).effects).toEqual([{ kind: "join" }]);
  });

  it("drains when the coordinator says so", () => {
    const asking = decide(inside, tick, 1000).lease;
    const { effects } = decide(asking, answered(1000, { mustDrain: true }), 1010);
    expect(effects).toEqual([{ kind: "drain" }]);
  });

  it("asks again after longer and longer, up to a limit, and keeps the lease meanwhile", () => {
    let lease = inside;
    const delaysSeen = [0, 1, 2, 3, 4].map((i) => {
      ({ lease } = decide(lease, { kind: "failed", why: "unreachable" }, 1000 + i));
      return lease.nextAtMs - 1000 - i;
    });
    expect(delaysSeen).toEqual([100, 200, 400, 500, 500]);
    expect(lease).toMatchObject({ place: "inside", expiresAtMs: 3000, failures: 5 });
    expect(decide(lease, joinedAt(1100), 1110).lease.failures).toBe(0);
  });

  it("loses the lease on a failure that comes when it is over", () => {
    const { effects } = decide(inside, { kind: "failed", why: "unreachable" }, 3000);
    expect(effects).toEqual([{ kind: "void-tasks" }]);
  });

  it("takes no answer to a heartbeat of a lease that was", () => {
    const rejoined = decide(noLease(3000), joinedAt(3000), 3010).lease;
    const late = decide(rejoined, answered(1000, { mustJoin: true }), 3020);
    expect(late).toMatchObject({ lease: rejoined, effects: [] });
    expect(decide(noLease(3000), answered(1000), 3020).effects).toEqual([]);
  });

  it("always says why, and never sleeps past the end of its lease", () => {
    const events: LeaseEvent[] = [
      ...[tick, joinedAt(0), answered(0), answered(1000, { mustJoin: true })],
      { kind: "failed", why: "unreachable" },
    ];
    const visit = (lease: Lease, depth: number): void => {
      if (lease.place === "inside") expect(wakeAtMs(lease)).toBeLessThanOrEqual(lease.expiresAtMs);
      if (depth === 0) return;
      for (const event of events) {
        for (const nowMs of [0, 1500, 3500]) {
          const decision = decide(lease, event, nowMs);
          expect(decision.reason).not.toBe("");
          visit(decision.lease, depth - 1);
        }
      }
    };
    visit(noLease(0), 3);
  });
});
