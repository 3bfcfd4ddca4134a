import { describe, expect, it } from "vitest";
import { type BranchCall, CallDesk } from "./call-desk.js";

const never = new AbortController().signal;
const right = Buffer.from("right");
const call = (taskId: string, jobToken = right): BranchCall => ({
  open: { taskId, epoch: 1, shape: [], jobToken },
  requests: (async function* () {})(),
  send: async () => {},
});

const task = (taskId: string) => ({
  taskId,
  check: ({ open }: BranchCall): void => {
    if (!open.jobToken.equals(right)) throw new Error("not allowed");
  },
});

describe("CallDesk", () => {
  it.each(["the task", "the call"])(
    "brings both together, whichever comes first: %s",
    async (who) => {
      const desk = new CallDesk<BranchCall>();
      const served: string[] = [];
      const serve = () =>
        desk.serve(task("t"), never, async ({ open }) => void served.push(open.taskId));
      const ask = () => desk.call("t", never, call("t"));
      await Promise.all(who === "the task" ? [serve(), ask()] : [ask(), serve()]);
      expect(served).toEqual(["t"]);
    },
  );

  it("tells the caller why its task failed", async () => {
    const desk = new CallDesk<BranchCall>();
    const work = desk.serve(task("t"), never, async () => {
      throw new Error("out of memory");
    });
    const asked = desk.call("t", never, call("t"));
    await expect(asked).rejects.toThrow("out of memory");
    await expect(work).rejects.toThrow("out of memory");
  });

  it("lets each end give up its waiting, and forgets it", async () => {
    const desk = new CallDesk<BranchCall>();
    const stop = new AbortController();
    const work = desk.serve(task("t"), stop.signal, async () => {});
    const asked = desk.call("u", stop.signal, call("u"));
    stop.abort(new Error("enough"));
    await expect(work).rejects.toThrow("enough");
    await expect(asked).rejects.toThrow("enough");
    const later = desk.serve(task("u"), never, async () => {});
    await desk.call("u", never, call("u"));
    await later;
  });

  it("refuses strangers, who come before and after a task, and keeps its place", async () => {
    const desk = new CallDesk<BranchCall>();
    const served: string[] = [];
    const stranger = () => desk.call("t", never, call("t", Buffer.from("wrong")));
    const before = [stranger(), stranger()];
    for (const one of before) one.catch(() => undefined);
    const work = desk.serve(task("t"), never, async ({ open }) => void served.push(open.taskId));
    const after = stranger();
    for (const one of [...before, after]) await expect(one).rejects.toThrow("not allowed");
    await desk.call("t", never, call("t"));
    await work;
    expect(served).toEqual(["t"]);
  });

  it("refuses more calls than may wait", async () => {
    const desk = new CallDesk<BranchCall>();
    const stop = new AbortController();
    const waiting = Array.from({ length: 64 }, (_, index) =>
      desk.call(`t${index}`, stop.signal, call(`t${index}`)),
    );
    await expect(desk.call("t64", never, call("t64"))).rejects.toMatchObject({
      reason: "queue-full",
    });
    stop.abort(new Error("enough"));
    expect((await Promise.allSettled(waiting)).map(({ status }) => status)).not.toContain(
      "fulfilled",
    );
  });
});
