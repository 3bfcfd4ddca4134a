import { setTimeout as delay } from "node:timers/promises";
import { Code, fromUnknown } from "@retake/errors";
import { createExchange, type Exchange, type ShardConnection } from "../exchange/index.js";
import type { NodeContext } from "./node-context.js";
import type { TuneSetting } from "./tune-state.js";

/** Between two tries to reach NATS. */
const reachPauseMs = 1_000;

/** The exchange of one tuning, over the cluster's NATS if it has one: it waits for that. */
export async function openExchange(
  context: Pick<NodeContext, "nats" | "onReconnect" | "nodeId" | "onError">,
  { task, layout }: Pick<TuneSetting, "task" | "layout">,
  signal: AbortSignal,
): Promise<Exchange> {
  return createExchange({
    connection: await reached(context, signal),
    onReconnect: context.onReconnect,
    ...{ editId: task.editId, jobKey: task.jobKey, nodeId: context.nodeId },
    vectorLength: layout.length,
  });
}

/** A node that gave up would be sent back at once, and so use up what an edit may fail. */
async function reached(
  { nats, onError }: Pick<NodeContext, "nats" | "onError">,
  signal: AbortSignal,
): Promise<ShardConnection | undefined> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await nats();
    } catch (thrown) {
      const error = fromUnknown(thrown, "NATS");
      if (error.code !== Code.Unavailable) throw error;
      onError(error);
    }
    await delay(reachPauseMs, undefined, { signal }).catch(() => undefined);
  }
}
