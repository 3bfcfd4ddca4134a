import { describe, expect, it } from "vitest";
import { type BranchCall, CallDesk } from "./call-desk.js";

const never = new AbortController().signal;
const call = (taskId: string): BranchCall => ({
  open: { taskId, epoch: 1, shape: [] },
  requests: (async function* () {})(),
  send: async () => {},
});

describe("CallDesk", () => {
  it.each(["the task", "the call"])(
    "brings both together, whichever comes first: %s",
    async (who) => {
      const desk = new CallDesk<BranchCall>();
      const served: string[] = [];
      const serve = () => desk.serve("t", never, async ({ open }) => void served.push(open.taskId));
      const ask = () => desk.call("t", never, call("t"));
      await Promise.all(who === "the task" ? [serve(), ask()] : [ask(), serve()]);
      expect(served).toEqual(["t"]);
    },
  );

  it("tells the caller why its task failed", async () => {
    const desk = new CallDesk<BranchCall>();
    const work = desk.serve("t", never, async () => {
      throw new Error("out of memory");
    });
    const asked = desk.call("t", never, call("t"));
    await expect(asked).rejects.toThrow("out of memory");
    await expect(work).rejects.toThrow("out of memory");
  });

  it("lets each end give up its waiting, and forgets it", async () => {
    const desk = new CallDesk<BranchCall>();
    const stop = new AbortController();
    const work = desk.serve("t", stop.signal, async () => {});
    const asked = desk.call("u", stop.signal, call("u"));
    stop.abort(new Error("enough"));
    await expect(work).rejects.toThrow("enough");
    await expect(asked).rejects.toThrow("enough");
    const later = desk.serve("u", never, async () => {});
    await desk.call("u", never, call("u"));
    await later;
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
