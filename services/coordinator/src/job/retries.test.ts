import { describe, expect, it } from "vitest";
import { defaultOptions } from "./cluster-state.js";
import { type EditRecord, noRetries } from "./edit-record.js";
import { afterFailure, type FailureContext, type RetryClass, retryClassOf } from "./retries.js";

const record = { retries: noRetries, memoryBytesMin: 0, framesPerPass: 4 } as EditRecord;
const failure = { code: "UNAVAILABLE", reason: "node-lost", message: "node a: gone" };
const judged = (
  retryClass: RetryClass,
  change: Partial<EditRecord>,
  about: Partial<FailureContext> = {},
) => {
  const sizes = { memoryBytes: 100e6, neededBytes: 0, hasLargerNode: false };
  const context = { retryClass, ...sizes, smallerFramesPerPass: null, ...about };
  return afterFailure({ ...record, ...change }, failure, { context, options: defaultOptions });
};

describe("retryClassOf", () => {
  it.each([
    ["UNAVAILABLE", "peer-silent", "infrastructure"],
    ["CANCELED", "stopped", "infrastructure"],
    ["DATA_LOSS", "checksum-mismatch", "infrastructure"],
    ["RESOURCE_EXHAUSTED", "queue-full", "infrastructure"],
    ["RESOURCE_EXHAUSTED", "disk-full", "room"],
    ["RESOURCE_EXHAUSTED", "memory-short", "memory"],
    ["INTERNAL", "bug", "fault"],
    ["INVALID_ARGUMENT", "prompt-too-long", "user"],
    ["NOT_FOUND", "file-not-found", "user"],
    ["FAILED_PRECONDITION", "loss-not-finite", "user"],
  ])("takes %s, %s for %s", (code, reason, expected) => {
    expect(retryClassOf({ code, reason })).toBe(expected);
  });
});

describe("afterFailure", () => {
  it("tries again what infrastructure broke, up to its maximum and no further", () => {
    const { infrastructureRetriesMax: max } = defaultOptions;
    const at = (infrastructure: number) =>
      judged("infrastructure", { retries: { ...noRetries, infrastructure } }).outcome;
    expect([at(0), at(max - 1), at(max)]).toEqual(["again", "again", "over"]);
  });

  it("tries a fault a few times, and an error of the user never", () => {
    const { faultRetriesMax: max } = defaultOptions;
    const at = (fault: number) => judged("fault", { retries: { ...noRetries, fault } }).outcome;
    expect([at(max - 1), at(max)]).toEqual(["again", "over"]);
    expect(judged("user", {}).outcome).toBe("over");
  });

  it("wants a larger node, then smaller pieces, then refuses", () => {
    const larger = { hasLargerNode: true, smallerFramesPerPass: 2 };
    expect(judged("memory", {}, larger)).toMatchObject({
      change: { memoryBytesMin: 100e6 + 1, framesPerPass: 4 },
    });
    expect(judged("memory", {}, { smallerFramesPerPass: 2 })).toMatchObject({
      change: { framesPerPass: 2, memoryBytesMin: 0 },
    });
    const over = judged("memory", {}, { neededBytes: 2.5e9 });
    const message =
      "node a: gone (about 2.5 GB were predicted, no node has more than 100 MB; " +
      "take fewer or smaller frames)";
    expect(over).toEqual({ outcome: "over", failure: { ...failure, message } });
  });

  it("counts nothing while a disk is full", () => {
    expect(judged("room", {})).toMatchObject({ outcome: "again", change: { retries: noRetries } });
  });
});
