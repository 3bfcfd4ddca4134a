import type { MemberView } from "./cluster-state.js";
import { type EditRecord, type Failure, isTerminal, type Phase } from "./edit-record.js";
import { abortTask, dropTask, endEdit } from "./endings.js";
import { goOnAlone } from "./lending.js";
import { memoryNeeded, smallerFramesPerPass } from "./pass-memory.js";
import { eligibility } from "./placement.js";
import { afterFailure, type FailureContext, retryClassOf } from "./retries.js";
import { because, editOf, putNode, putRecord, putTune, type Turn } from "./turn.js";

/** Changes one member of a tuning. */
export function putMember(
  turn: Turn,
  { editId, nodeId }: { editId: string; nodeId: string },
  change: Partial<MemberView>,
): void {
  const members = editOf(turn, editId).tune?.members ?? [];
  putTune(turn, editId, {
    members: members.map((member) =>
      member.nodeId === nodeId ? { ...member, ...change } : member,
    ),
  });
}

/** Takes a member out; the rest form a quorum at the end of the turn. */
export function removeMember(
  turn: Turn,
  { editId, nodeId, why }: { editId: string; nodeId: string; why: string },
): void {
  const { tune, record } = editOf(turn, editId);
  const member = tune?.members.find((candidate) => candidate.nodeId === nodeId);
  if (tune === null || member === undefined) return;
  const task = record.tasks.find(({ id }) => id === member.taskId);
  if (task !== undefined) abortTask(turn, { editId, task, reason: why });
  const members = tune.members.filter((candidate) => candidate !== member);
  putTune(turn, editId, { members, changeWanted: why });
}

/** Leaves a node alone for a while. */
export function restNode(turn: Turn, { nodeId, why }: { nodeId: string; why: string }): void {
  const restsUntilMs = turn.state.leaseClock.nowMs + turn.options.nodeRestMs;
  putNode(turn, nodeId, { restsUntilMs, reason: why });
}

/** A node whose numbers were wrong heals before it works again. */
function quarantine(turn: Turn, nodeId: string, why: string): void {
  const restsUntilMs = turn.state.leaseClock.nowMs + turn.options.quarantineDurationMs;
  putNode(turn, nodeId, { state: "quarantined", restsUntilMs, reason: why });
  because(turn, `node ${nodeId} is quarantined: ${why}`);
}

/** A member whose state is wrong: it gets another's when it comes back. */
export function quarantineMember(
  turn: Turn,
  { editId, nodeId, why }: { editId: string; nodeId: string; why: string },
): void {
  quarantine(turn, nodeId, why);
  removeMember(turn, { editId, nodeId, why });
  const { tuning } = editOf(turn, editId).record;
  const members = tuning.members.filter((member) => member.nodeId !== nodeId);
  putRecord(turn, editId, { tuning: { ...tuning, members } });
}

/**
 * Counts a failure against its edit: another try, or the end.
 *
 * @returns whether the edit goes on
 */
export function countFailure(
  turn: Turn,
  {
    editId,
    nodeId,
    phase,
    failure,
  }: { editId: string; nodeId: string; phase: Phase; failure: Failure },
): boolean {
  const { record } = editOf(turn, editId);
  const context = contextOf(turn, record, { nodeId, phase, failure });
  const verdict = afterFailure(record, failure, { context, options: turn.options });
  if (verdict.outcome === "over") {
    const reason = `failed: ${verdict.failure.message}`;
    endEdit(turn, editId, { state: "failed", failure: verdict.failure, reason });
    return false;
  }
  // It goes on where there is room; until a task of it runs again, it is shown as paused.
  const isPaused = context.retryClass === "room" && record.tasks.length === 0;
  const state = isPaused ? "paused" : record.state;
  putRecord(turn, editId, { ...verdict.change, state, recoveries: record.recoveries + 1 });
  because(turn, `${failure.message}: ${verdict.reason}`, { editId });
  return true;
}

function contextOf(
  { state }: Turn,
  record: EditRecord,
  { nodeId, phase, failure }: { nodeId: string; phase: Phase; failure: Failure },
): FailureContext {
  const info = state.nodes.get(nodeId)?.info;
  const memoryBytes = info?.memoryBytes ?? 0;
  const isLarger = eligibility(state, { ...record, memoryBytesMin: memoryBytes + 1 }, phase);
  return {
    ...{ retryClass: retryClassOf(failure), memoryBytes },
    neededBytes: info === undefined ? 0 : memoryNeeded(info, record, phase),
    hasLargerNode: [...state.nodes.values()].some(isLarger),
    smallerFramesPerPass: smallerFramesPerPass(record, phase),
  };
}

/**
 * An edit has gone on: what was lost before counts no more. The bound is for an edit that breaks
 * whoever takes it, and not for the length of a tuning on nodes that come and go.
 */
export function noteProgress(turn: Turn, editId: string): void {
  const { record } = editOf(turn, editId);
  const { retries } = record;
  // A commit may have been on its way when the edit ended: nothing of that is written any more.
  if (retries.infrastructure === 0 || isTerminal(record)) return;
  putRecord(turn, editId, { retries: { ...retries, infrastructure: 0 } });
}

/** A task is lost, for whatever reason: its work is begun again by whoever is free. */
export function loseTask(
  turn: Turn,
  { editId, taskId, failure }: { editId: string; taskId: string; failure: Failure },
): void {
  const { record, tune } = editOf(turn, editId);
  const task = record.tasks.find(({ id }) => id === taskId);
  if (task === undefined) return;
  if (task.kind === "tune" && tune !== null) {
    removeMember(turn, { editId, nodeId: task.nodeId, why: failure.message });
  } else {
    dropTask(turn, editId, task);
  }
  // Where the coordinator's own disk is full, no node is to blame; nor is a helper that was no
  // longer asked, or missed another one.
  const isOurs = turn.state.isStoreFull && retryClassOf(failure) === "room";
  const isBlameless = task.helps !== "" && ["stopped", "peer-silent"].includes(failure.reason);
  const isAtFault = !isOurs && !isBlameless;
  if (task.nodeId !== "" && isAtFault) {
    restNode(turn, { nodeId: task.nodeId, why: failure.message });
  }
  if (task.helps === "") {
    countFailure(turn, { editId, nodeId: task.nodeId, phase: task.kind, failure });
    return;
  }
  // Nothing is lost but time.
  putRecord(turn, editId, { recoveries: record.recoveries + 1 });
  goOnAlone(turn, editId, { helper: task, why: failure.message });
}
