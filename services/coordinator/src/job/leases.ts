import type { NodeView } from "./cluster-state.js";
import type { Failure } from "./edit-record.js";
import { abortTask } from "./endings.js";
import type { EventOf } from "./events.js";
import { isLeaving } from "./leaving.js";
import { goOnAlone } from "./lending.js";
import { countFailure, loseTask, removeMember } from "./members.js";
import { because, editOf, putNode, refuse, type Turn } from "./turn.js";

const lost = (message: string): Failure => ({ code: "UNAVAILABLE", reason: "node-lost", message });

/**
 * A node asks for its place. A new life of it takes the place of the old one, whose tasks are void.
 * Two nodes of one name at two addresses are not told apart by anything else: the second waits
 * until the lease of the first has run out.
 */
export function onJoined(turn: Turn, { info, rates }: EventOf<"node-joined">): void {
  const { options, state } = turn;
  const { nodeId, incarnation, protocolVersion, address } = info;
  const before = state.nodes.get(nodeId);
  if (protocolVersion !== options.protocolVersion) {
    const versions = `expected protocol version ${options.protocolVersion}, got ${protocolVersion}`;
    const message = `node ${nodeId}: ${versions}; run one version in a cluster`;
    refuse(turn, { code: "FAILED_PRECONDITION", reason: "protocol-version", message });
    return;
  }
  const isAnother = before !== undefined && before.info.incarnation !== incarnation;
  if (isAnother && before.info.address !== address) {
    const where = `in use at ${before.info.address}`;
    const message = `node ${nodeId}: the name is ${where}; give each node its own`;
    refuse(turn, { code: "FAILED_PRECONDITION", reason: "node-name-taken", message });
    return;
  }
  if (isAnother) loseNode(turn, before, `node ${nodeId} has started again`);
  const nowMs = turn.state.leaseClock.nowMs;
  const isHeld = isLeaving(turn.state, nodeId);
  const fresh: NodeView = {
    ...{ info, rates, state: isHeld ? "held" : "ready" },
    reason: isHeld ? "came back although it has to leave: it gets no work" : "joined",
    ...{ leaseEndsMs: 0, restsUntilMs: 0, joinedMs: nowMs, tasks: [], modelLoaded: "" },
  };
  const node = turn.state.nodes.get(nodeId) ?? fresh;
  const leaseEndsMs = nowMs + options.leaseDurationMs;
  const nodes = new Map(turn.state.nodes).set(nodeId, { ...node, info, rates, leaseEndsMs });
  turn.state = { ...turn.state, nodes };
  because(turn, `node ${nodeId} holds its place for ${options.leaseDurationMs} ms`);
}

/** Prolongs a lease, and compares what the node runs with what it should. */
export function onHeartbeat(turn: Turn, event: EventOf<"heartbeat">): void {
  const { nodeId, incarnation, rates, taskIds } = event;
  const node = turn.state.nodes.get(nodeId);
  if (node === undefined || node.info.incarnation !== incarnation) {
    const message = `node ${nodeId}: it holds no place here; join first`;
    refuse(turn, { code: "FAILED_PRECONDITION", reason: "lease-lost", message });
    return;
  }
  const { leaseClock } = turn.state;
  const { taskStartGraceMs, missedHeartbeatsMax, leaseDurationMs } = turn.options;
  const tasks = node.tasks.map((task) => {
    const isRunning = taskIds.includes(task.taskId);
    const isNew = leaseClock.nowMs - task.heardMs < taskStartGraceMs;
    return { ...task, missed: isRunning || isNew ? 0 : task.missed + 1 };
  });
  const isGone = ({ missed }: { missed: number }): boolean => missed >= missedHeartbeatsMax;
  putNode(turn, nodeId, {
    ...{ rates, leaseEndsMs: leaseClock.nowMs + leaseDurationMs },
    tasks: tasks.filter((task) => !isGone(task)),
  });
  turn.reasons.push(`node ${nodeId} is alive`);
  for (const { editId, taskId } of tasks.filter(isGone)) {
    if (!turn.state.edits.has(editId)) continue;
    const failure = lost(`node ${nodeId} does not run task ${taskId} any more`);
    loseTask(turn, { editId, taskId, failure });
  }
  for (const taskId of taskIds.filter((id) => !isWanted(turn, id))) {
    const reason = "no record names it";
    turn.effects.push({ kind: "abort-task", editId: "", taskId, nodeId, reason });
  }
}

function isWanted({ state }: Turn, taskId: string): boolean {
  const editId = taskId.slice(0, Math.max(0, taskId.lastIndexOf("-")));
  return state.edits.get(editId)?.record.tasks.some(({ id }) => id === taskId) ?? false;
}

/** Asks a node for no more work; members leave their quorum after the step. */
export function onDrain(turn: Turn, event: EventOf<"drain">): void {
  const { nodeId, why = "asked to drain" } = event;
  if (!turn.state.nodes.has(nodeId)) {
    const message = `node ${nodeId}: no node of that name has joined`;
    refuse(turn, { code: "NOT_FOUND", reason: "node-unknown", message });
    return;
  }
  putNode(turn, nodeId, { state: "draining", reason: why });
  because(turn, `node ${nodeId} drains (${why}): it hands over what it runs, and gets no more`);
}

/** Does not wait for the lease of a node that cannot come back: a new life has another address. */
export function onGone(turn: Turn, { nodeId, address }: EventOf<"node-gone">): void {
  const node = turn.state.nodes.get(nodeId);
  if (node === undefined || !node.info.address.startsWith(`${address}:`)) {
    const message = `node ${nodeId}: no node of that name has joined from ${address}`;
    refuse(turn, { code: "NOT_FOUND", reason: "node-unknown", message });
    return;
  }
  loseNode(turn, node, `node ${nodeId} at ${address} is gone`);
}

/** A lost node is a lease that ran out. Rests and quarantines end here, too. */
export function expireLeases(turn: Turn): void {
  const nowMs = turn.state.leaseClock.nowMs;
  for (const node of [...turn.state.nodes.values()]) {
    const { nodeId } = node.info;
    if (node.leaseEndsMs <= nowMs) loseNode(turn, node, `the lease of node ${nodeId} ran out`);
    else if (node.state === "quarantined" && node.restsUntilMs <= nowMs) {
      putNode(turn, nodeId, { state: "ready", reason: "healed" });
    }
  }
}

/** Tasks that nothing was heard of for too long are begun again elsewhere. */
export function endStalls(turn: Turn): void {
  const nowMs = turn.state.leaseClock.nowMs;
  const { taskStallMs, stepStallMs } = turn.options;
  for (const node of [...turn.state.nodes.values()]) {
    for (const { editId, taskId, heardMs } of node.tasks) {
      const task = turn.state.edits.get(editId)?.record.tasks.find(({ id }) => id === taskId);
      if (task === undefined || task.kind === "tune" || nowMs - heardMs < taskStallMs) continue;
      abortTask(turn, { editId, task, reason: "stalled" });
      if (task.helps !== "") {
        goOnAlone(turn, editId, { helper: task, why: `${taskId} stalled on ${node.info.nodeId}` });
        continue;
      }
      const { nodeId } = node.info;
      const failure = lost(`task ${taskId} on node ${nodeId}: nothing heard for ${taskStallMs} ms`);
      countFailure(turn, { editId, nodeId, phase: task.kind, failure });
    }
  }
  for (const { record, tune } of [...turn.state.edits.values()]) {
    if (tune === null || tune.members.length === 0 || tune.pending !== null) continue;
    if (nowMs - tune.heardMs >= stepStallMs) endStep(turn, record.id);
  }
}

/** The members that have not answered leave; if all have, the first does: its delta is late. */
function endStep(turn: Turn, editId: string): void {
  const { tune } = editOf(turn, editId);
  const members = tune?.members ?? [];
  const isReady = members.every((member) => member.isReady);
  const silent = members.filter((member) => !(isReady ? member.reduced : member.isReady));
  const gone = silent.length > 0 ? silent : members.slice(0, 1);
  const names = gone.map(({ nodeId }) => nodeId).join(", ");
  const why = `nothing heard of ${names} at step ${tune?.atStep}`;
  for (const { nodeId } of gone) removeMember(turn, { editId, nodeId, why });
  countFailure(turn, { editId, nodeId: "", phase: "tune", failure: lost(why) });
}

function loseNode(turn: Turn, node: NodeView, why: string): void {
  const nodes = new Map(turn.state.nodes);
  nodes.delete(node.info.nodeId);
  turn.state = { ...turn.state, nodes };
  because(turn, why);
  for (const { editId, taskId } of node.tasks) {
    if (turn.state.edits.has(editId)) loseTask(turn, { editId, taskId, failure: lost(why) });
  }
}
