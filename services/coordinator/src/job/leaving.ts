import type { ClusterState, LeavingCause } from "./cluster-state.js";
import type { EventOf } from "./events.js";
import { putNode, type Turn } from "./turn.js";

/** Whether a node has to leave, for whatever cause. */
export function isLeaving({ leaving }: ClusterState, nodeId: string): boolean {
  return leaving.pool.has(nodeId) || leaving.cordon.has(nodeId);
}

/**
 * The pool shrinks: those that leave hand over what they have, and end. A process that Kubernetes
 * starts again meanwhile is held, so that it does not take work only to hand it over once more.
 */
export function onPoolShrinks(turn: Turn, { leavers }: EventOf<"pool-shrinks">): void {
  setLeaving(turn, "pool", new Set(leavers.map(({ nodeId }) => nodeId)));
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
  setLeaving(turn, "pool", new Set());
  turn.reasons.push("the pool has its size");
}

/**
 * Machines take no more pods, so that what runs on them will soon have to go. A node there hands
 * over once, when its machine is first seen so; what has nothing to hand over, or comes back, is
 * held until its machine takes pods again or its pod is gone.
 */
export function onMachinesCordoned(turn: Turn, { leavers }: EventOf<"machines-cordoned">): void {
  const before = turn.state.leaving.cordon;
  setLeaving(turn, "cordon", new Set(leavers.map(({ nodeId }) => nodeId)));
  const told: string[] = [];
  for (const { nodeId, reason } of leavers) {
    const node = turn.state.nodes.get(nodeId);
    if (before.has(nodeId) || (node?.state !== "ready" && node?.state !== "quarantined")) continue;
    const state = node.tasks.length > 0 ? "draining" : "held";
    putNode(turn, nodeId, { state, reason });
    told.push(`node ${nodeId} is ${state}: ${reason}`);
  }
  if (told.length > 0) turn.reasons.push(told.join(", "));
}

function setLeaving(turn: Turn, cause: LeavingCause, nodeIds: ReadonlySet<string>): void {
  const leaving = { ...turn.state.leaving, [cause]: nodeIds };
  turn.state = { ...turn.state, leaving };
  for (const { info, state } of [...turn.state.nodes.values()]) {
    if (state !== "held" || isLeaving(turn.state, info.nodeId)) continue;
    putNode(turn, info.nodeId, { state: "ready", reason: "stays after all" });
  }
}
