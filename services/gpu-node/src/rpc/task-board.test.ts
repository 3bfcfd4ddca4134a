import { Code, RetakeError } from "@retake/errors";
import { describe, expect, it } from "vitest";
import { TaskBoard, type TaskContext } from "./task-board.js";

const entry = (taskId: string, epoch = 1) => ({ taskId, editId: "e", epoch });
const never = new AbortController().signal;

/** A task that runs until the test ends it. */
function held() {
  let end = (): void => {};
  let context: TaskContext | undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  let begin = (): void => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const work = async (given: TaskContext): Promise<string> => {
    context = given;
    begin();
    await Promise.race([
      ended,
      new Promise((_, reject) =>
        given.signal.addEventListener("abort", () => reject(new Error("the work's own words"))),
      ),
    ]);
    given.assertGoesOn();
    return "done";
  };
  return { work, begun, end: () => end(), hasBegun: () => context !== undefined };
}

describe("TaskBoard", () => {
  it("runs one task after the other, in order", async () => {
    const board = new TaskBoard(() => {});
    const [a, b] = [held(), held()];
    const [first, second] = [
      board.run(entry("a"), never, a.work),
      board.run(entry("b"), never, b.work),
    ];
    await a.begun;
    expect([a.hasBegun(), b.hasBegun()]).toEqual([true, false]);
    expect(board.tasks.map(({ taskId }) => taskId)).toEqual(["a", "b"]);
    a.end();
    expect(await first).toBe("done");
    b.end();
    expect(await second).toBe("done");
    expect(board.tasks).toEqual([]);
  });

  it("goes on after a task that failed, with its error", async () => {
    const board = new TaskBoard(() => {});
    const failing = board.run(entry("a"), never, async () => {
      throw new RetakeError(Code.InvalidArgument, "frame-size", "clip: too small");
    });
    const next = board.run(entry("b"), never, async () => "done");
    await expect(failing).rejects.toMatchObject({ reason: "frame-size" });
    expect(await next).toBe("done");
  });

  it("refuses a task that is here, and lets the first one be", async () => {
    const board = new TaskBoard(() => {});
    const a = held();
    const first = board.run(entry("a"), never, a.work);
    await expect(board.run(entry("a"), never, a.work)).rejects.toMatchObject({
      reason: "node-busy",
    });
    expect(board.tasks.length).toBe(1);
    a.end();
    expect(await first).toBe("done");
  });

  it("tells why a task was stopped, whatever its work throws", async () => {
    const board = new TaskBoard(() => {});
    const stops: readonly [() => unknown, string][] = [
      [() => board.abort({ taskId: "a", epoch: 1 }), "stopped"],
      [() => board.voidAll(), "lease-lost"],
      [() => board.seeEpoch(2), "epoch-stale"],
    ];
    for (const [stop, reason] of stops) {
      const a = held();
      const work = board.run(entry("a"), never, a.work);
      await a.begun;
      stop();
      await expect(work).rejects.toMatchObject({ reason });
    }
  });

  it("ends a task with its caller, also one that waits", async () => {
    const board = new TaskBoard(() => {});
    const [a, b] = [held(), held()];
    const caller = new AbortController();
    const first = board.run(entry("a"), never, a.work);
    const second = board.run(entry("b"), caller.signal, b.work);
    caller.abort(new RetakeError(Code.Canceled, "stopped", "the caller is gone"));
    await expect(second).rejects.toMatchObject({ message: "the caller is gone" });
    expect(b.hasBegun()).toBe(false);
    a.end();
    await first;
    const gone = board.run(entry("c"), caller.signal, held().work);
    await expect(gone).rejects.toMatchObject({ message: "the caller is gone" });
    expect(board.tasks).toEqual([]);
  });

  it("drains: what runs ends at its boundary, what waits at once", async () => {
    const board = new TaskBoard(() => {});
    const a = held();
    const first = board.run(entry("a"), never, a.work);
    const second = board.run(entry("b"), never, held().work);
    let isDrained = false;
    const drained = board.drain().then(() => {
      isDrained = true;
    });
    await expect(second).rejects.toMatchObject({ reason: "node-draining" });
    expect(isDrained).toBe(false);
    a.end();
    await expect(first).rejects.toMatchObject({ reason: "node-draining" });
    await drained;
    await expect(board.run(entry("c"), never, held().work)).rejects.toMatchObject({
      ...{ reason: "node-draining", code: Code.Unavailable },
    });
  });
});
