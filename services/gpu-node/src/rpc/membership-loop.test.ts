import { Code, RetakeError } from "@retake/errors";
import type { HeartbeatResponse, NodeInfo } from "@retake/wire/membership";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CoordinatorLink } from "./coordinator-link.js";
import { MembershipLoop } from "./membership-loop.js";
import { TaskBoard } from "./task-board.js";

const info: NodeInfo = {
  ...{ nodeId: "n0", incarnation: "i", protocolVersion: 1, address: "h:1", pid: 1, version: "0" },
  ...{ engine: "e", numericsId: "x", threads: 1, memoryBytes: 0, models: [] },
};

describe("MembershipLoop", () => {
  const asked: string[] = [];
  let answer: HeartbeatResponse;
  let failure: RetakeError | undefined;
  let loop: MembershipLoop;
  let drains = 0;
  const board = new TaskBoard(() => {});

  beforeEach(() => {
    vi.useFakeTimers();
    asked.length = 0;
    drains = 0;
    failure = undefined;
    answer = { epoch: 3, mustJoin: false, mustDrain: false };
  });
  afterEach(() => {
    loop.close();
    vi.useRealTimers();
  });

  const begin = (): void => {
    const link: CoordinatorLink = {
      join: async () => {
        asked.push("join");
        if (failure !== undefined) throw failure;
        const lease = { leaseDurationMs: 3000, heartbeatEveryMs: 1000 };
        return { coordinatorId: "c", epoch: 3, natsServers: [], ...lease };
      },
      heartbeat: async ({ taskIds, nodeId }) => {
        asked.push(`heartbeat ${nodeId} ${taskIds.join()}`);
        if (failure !== undefined) throw failure;
        return answer;
      },
      drain: async () => {},
      pull: async function* () {},
      close: () => {},
    };
    loop = new MembershipLoop({
      ...{
        link,
        board,
        info,
        rates: () => ({ flopsPerSecond: 1, bytesPerSecond: 0, roundTripMs: 0, passes: [] }),
      },
      ...{ onRoundTrip: () => {}, onJoined: () => {}, onReason: () => {} },
      onDrainAsked: () => {
        drains += 1;
      },
      nowMs: () => Date.now(),
    });
  };
  const gone = new RetakeError(Code.Unavailable, "unreachable", "gone");

  it("joins, tells the epoch, and prolongs its lease again and again", async () => {
    begin();
    await loop.joined;
    expect(board.epoch).toBe(3);
    await vi.advanceTimersByTimeAsync(3500);
    expect(asked).toEqual(["join", ...Array(3).fill("heartbeat n0 ")]);
  });

  it("voids its tasks when the coordinator is silent for a lease, and joins again", async () => {
    begin();
    await loop.joined;
    failure = gone;
    const never = new AbortController().signal;
    const task = { taskId: "t", editId: "e", epoch: 3 };
    const work = board.run(
      task,
      never,
      ({ signal }) =>
        new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("x")))),
    );
    const outcome = expect(work).rejects.toMatchObject({ reason: "lease-lost" });
    await vi.advanceTimersByTimeAsync(2999);
    expect(board.tasks.length).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    await outcome;
    failure = undefined;
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked.filter((text) => text === "join").length).toBeGreaterThan(1);
    expect(asked).toContain("heartbeat n0 t");
  });

  it("says when it will never be taken in, and goes on where it may be later", async () => {
    failure = new RetakeError(Code.FailedPrecondition, "protocol-mismatch", "another release");
    begin();
    await expect(loop.joined).rejects.toMatchObject({ reason: "protocol-mismatch" });
    loop.close();
    asked.length = 0;
    failure = gone;
    begin();
    await vi.advanceTimersByTimeAsync(1000);
    failure = undefined;
    await vi.advanceTimersByTimeAsync(1000);
    await loop.joined;
    expect(asked.filter((text) => text === "join").length).toBeGreaterThan(2);
  });

  it("drains when it is asked to", async () => {
    begin();
    await loop.joined;
    answer = { ...answer, mustDrain: true };
    await vi.advanceTimersByTimeAsync(1100);
    expect(drains).toBe(1);
  });
});
