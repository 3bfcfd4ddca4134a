import type { EventOf } from "./events.js";
import { putNode, type Turn } from "./turn.js";

/**
 * The pool shrinks: those that leave hand over what they have. A process that Kubernetes starts
 * again meanwhile is held, so that it does not take work only to hand it over once more.
 */
export function onPoolShrinks(turn: Turn, { leavers }: EventOf<"pool-shrinks">): void {
  setLeaving(turn, new Set(leavers.map(({ nodeId }) => nodeId)));
  for (const { nodeId, reason } of leavers) {
    const node = turn.state.nodes.get(nodeId);
    if (node === undefined || node.state === "held") continue;
    putNode(turn, nodeId, { state: "draining", reason: `leaves the pool: ${reason}` });
  }
  const names = leavers.map(({ nodeId, reason }) => `${nodeId} (${reason})`).join(", ");
  turn.reasons.push(`the pool shrinks: ${names || "nobody"} leaves`);
}

/** The pool has its size: who is here still, and is not drained, works again. */
export function onPoolSettled(turn: Turn): void {
  setLeaving(turn, new Set());
  turn.reasons.push("the pool has its size");
}

function setLeaving(turn: Turn, leaving: ReadonlySet<string>): void {
  turn.state = { ...turn.state, leaving };
  for (const { info, state } of [...turn.state.nodes.values()]) {
    if (state !== "held" || leaving.has(info.nodeId)) continue;
    putNode(turn, info.nodeId, { state: "ready", reason: "stays in the pool after all" });
  }
}
