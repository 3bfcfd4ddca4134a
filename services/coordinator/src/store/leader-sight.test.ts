import { Code, RetakeError } from "@retake/errors";
import { describe, expect, it } from "vitest";
import type { LeaderRecords } from "./epoch-lock.js";
import { LeaderSight } from "./leader-sight.js";

function setUp() {
  const clock = { now: 0, nowMs: () => clock.now, wait: async () => {} };
  const lease = { holder: "", isAway: false };
  const answer = <Answer>(value: Answer): Promise<Answer> =>
    lease.isAway
      ? Promise.reject(new RetakeError(Code.Unavailable, "store-unavailable", "away"))
      : Promise.resolve(value);
  const leader = { holder: "", epoch: 1, leaseDurationMs: 100, renewals: 0 };
  const records: LeaderRecords = {
    get: (id) => answer({ id, revision: 1, value: { ...leader, holder: lease.holder } }),
    create: () => answer({ outcome: "conflict", reason: "it is there" }),
    update: () => answer({ outcome: "written", revision: 2 }),
  };
  const sight = new LeaderSight(clock);
  return { clock, lease, leader, sight, seen: sight.through(records) };
}

describe("LeaderSight", () => {
  it("knows who held the lease when it was last read, and nobody before", async () => {
    const { lease, sight, seen } = setUp();
    expect(sight.holder).toBe("");
    lease.holder = "one";
    expect((await seen.get("leader"))?.value.holder).toBe("one");
    expect(sight.holder).toBe("one");
    lease.holder = "";
    await seen.get("leader");
    expect(sight.holder).toBe("");
  });

  it("is as old as the last answer, whatever was asked, and not as the last question", async () => {
    const { clock, lease, leader, sight, seen } = setUp();
    expect(sight.isYoungerThan(1e9)).toBe(false);
    const asks = [
      () => seen.get("leader"),
      () => seen.create("leader", leader),
      () => seen.update("leader", leader, { revision: 1 }),
    ];
    for (const ask of asks) {
      clock.now += 1_000;
      await ask();
      clock.now += 100;
      expect([sight.isYoungerThan(100), sight.isYoungerThan(99)]).toEqual([true, false]);
      lease.isAway = true;
      await expect(ask()).rejects.toMatchObject({ reason: "store-unavailable" });
      expect(sight.isYoungerThan(99)).toBe(false);
      lease.isAway = false;
    }
  });
});
