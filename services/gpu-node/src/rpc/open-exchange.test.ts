import { Code, RetakeError } from "@retake/errors";
import { describe, expect, it } from "vitest";
import { openExchange } from "./open-exchange.js";

const jobKey = Buffer.alloc(32);
const task = { taskId: "e-1", editId: "e", attempt: 1, epoch: 1, modelHash: "m", jobKey };
const layout = { length: 64, tensors: [] } as never;
const away = new RetakeError(Code.Unavailable, "unreachable", "NATS is away");

/** A node whose NATS is away for the first calls. */
function aNode(awayCalls: number, onAway: () => void = () => undefined) {
  let calls = 0;
  const told: string[] = [];
  const context = {
    nodeId: "n",
    onReconnect: () => () => {},
    nats: async () => {
      calls += 1;
      if (calls > awayCalls) return undefined;
      onAway();
      throw away;
    },
    onError: ({ reason }: RetakeError) => told.push(reason),
  };
  return { context, told };
}

describe("openExchange", () => {
  it("waits until NATS can be reached, and tells that it does", async () => {
    const { context, told } = aNode(1);
    const exchange = await openExchange(context, { task, layout }, new AbortController().signal);
    expect(told).toEqual(["unreachable"]);
    exchange.close();
  });

  it("ends its wait with the task", async () => {
    const stop = new AbortController();
    const { context } = aNode(Number.POSITIVE_INFINITY, () => stop.abort(new Error("stopped")));
    const opening = openExchange(context, { task, layout }, stop.signal);
    await expect(opening).rejects.toThrow("stopped");
  });
});
