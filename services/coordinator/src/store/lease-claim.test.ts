import { describe, expect, it } from "vitest";
import { claimLease, decodeLeader, type Leader } from "./lease-claim.js";

const found = (revision: number, holder = "one", epoch = 3) => {
  const value: Leader = { holder, epoch, leaseDurationMs: 100, renewals: 0 };
  return { id: "leader", revision, value };
};
const options = { pollEveryMs: 30, isVacant: false };

describe("claimLease", () => {
  it("begins with epoch 1 where nobody has led", () => {
    expect(claimLease(undefined, undefined, 5, options)).toMatchObject({
      action: "create",
      epoch: 1,
    });
  });

  it("waits for the whole lease from when it first saw the last renewal", () => {
    const first = claimLease(undefined, found(7), 1000, options);
    expect(first).toMatchObject({ action: "wait", watched: { revision: 7, sinceMs: 1000 } });
    expect(first.waitMs).toBe(30);
    const late = claimLease(first.watched, found(7), 1099, options);
    expect(late).toMatchObject({ action: "wait", waitMs: 1 });
    const over = claimLease(first.watched, found(7), 1100, options);
    expect(over).toMatchObject({ action: "take-over", epoch: 4 });
    expect(over.reason).toBe("one of epoch 3 has not renewed for 100 ms");
  });

  it("begins to wait anew when the lease was renewed", () => {
    const first = claimLease(undefined, found(7), 1000, options);
    const renewed = claimLease(first.watched, found(8), 1100, options);
    expect(renewed).toMatchObject({ action: "wait", watched: { revision: 8, sinceMs: 1100 } });
  });

  it("takes at once what was given back, with the next epoch", () => {
    const claim = claimLease(undefined, found(9, ""), 0, options);
    expect(claim).toMatchObject({ action: "take-over", epoch: 4 });
  });

  it("takes at once what is known to be vacant, with the next epoch", () => {
    const claim = claimLease(undefined, found(9), 0, { ...options, isVacant: true });
    expect(claim).toMatchObject({ action: "take-over", epoch: 4 });
  });

  it("never takes over before a whole lease without a renewal, whatever was seen", () => {
    for (let sinceMs = 0; sinceMs <= 200; sinceMs += 20) {
      for (const revision of [7, 8]) {
        const claim = claimLease({ revision, sinceMs }, found(8), 200, options);
        expect(claim.action === "take-over").toBe(revision === 8 && sinceMs <= 100);
        expect(claim.epoch).toBe(4);
      }
    }
  });
});

describe("decodeLeader", () => {
  const leader: Leader = { holder: "one", epoch: 1, leaseDurationMs: 10, renewals: 0 };

  it("reads what was written", () => {
    expect(decodeLeader(JSON.parse(JSON.stringify(leader)))).toEqual(leader);
  });

  it.each([
    null,
    1,
    {},
    { ...leader, holder: 1 },
    { ...leader, epoch: -1 },
    { ...leader, epoch: 1.5 },
    { ...leader, leaseDurationMs: "10" },
    { ...leader, renewals: undefined },
  ])("refuses %j", (json) => {
    expect(() => decodeLeader(json)).toThrow(/leader record/);
  });
});
