import type { ClusterState, MemberView, NodeView, TuneView } from "./cluster-state.js";
import type { Quorum, StateSource } from "./commit-record.js";
import type { Snapshot } from "./edit-record.js";
import { addTask } from "./task-starts.js";
import { because, editOf, putEdit, putRecord, putTune, type Turn } from "./turn.js";

/** What a member holds decides where it begins, and who helps whom. */
export interface QuorumStart {
  /** The step that the quorum begins with. */
  readonly step: number;
  /** Of the members, in their order. */
  readonly sources: readonly StateSource[];
}

/**
 * Decides with which step a quorum begins, and where each member gets the state from: the furthest
 * that a member holds, or the snapshot; never less than need be, so that no committed step is
 * computed again while one that holds it lives.
 *
 * Members of an earlier coordinator's quorum may hold the last step, but nobody knows: as long as
 * there are such, all are asked for what they have, and the next quorum knows.
 */
export function quorumStart(
  members: readonly Pick<MemberView, "nodeId" | "holds">[],
  { committedSteps, snapshot }: { committedSteps: number; snapshot: Snapshot | null },
): QuorumStart {
  const furthest = Math.max(0, ...members.map(({ holds }) => holds ?? 0));
  const isUnknown = members.some(({ holds }) => holds === null) && furthest < committedSteps;
  const base = snapshot?.committedSteps ?? 0;
  const step = isUnknown ? committedSteps : Math.max(furthest, base);
  const donor = members.find(({ holds }) => holds === step)?.nodeId;
  const sources = members.map(({ holds }): StateSource => {
    if (step === 0) return { kind: "start" };
    if (isUnknown || holds === step || holds === null) return { kind: "own" };
    if (donor !== undefined) return { kind: "peer", nodeId: donor };
    return { kind: "snapshot", artifactId: snapshot?.artifactId ?? "" };
  });
  return { step, sources };
}

/**
 * Whether one that stays holds what the tuning has come to. Where all members leave, nobody joins
 * them: they would be gone in the middle of handing their state to a newcomer, and they hand it to
 * the coordinator anyhow.
 */
export function hasHeir(
  { nodes }: ClusterState,
  members: readonly Pick<MemberView, "nodeId">[],
): boolean {
  return members.some(({ nodeId }) => nodes.get(nodeId)?.state === "ready");
}

/** Tries of draws before a step of the log, or at its end. */
export function attemptsBefore(step: number, tune: TuneView, snapshot: Snapshot | null): number {
  if (step === tune.atStep) return tune.attempts;
  if (step === tune.committedSteps) return tune.headAttempts;
  if (step === 0) return 0;
  if (step === snapshot?.committedSteps) return snapshot.attempts;
  return tune.commits.find((commit) => commit.step === step - 1)?.attempts ?? 0;
}

const freshTune: TuneView = {
  ...{ committedSteps: 0, headAttempts: 0, commits: [], atStep: 0, attempts: 0, members: [] },
  ...{ pending: null, changeWanted: "", weights: null, nonFiniteInRow: 0 },
  ...{ disagreementsInRow: 0, heardMs: 0, snapshotAskedStep: 0, finisher: "" },
};

/** A tuning of which only the log is known. */
export function tuneOf(log: Partial<TuneView>): TuneView {
  const { committedSteps = 0, headAttempts = 0 } = log;
  return { ...freshTune, ...log, atStep: committedSteps, attempts: headAttempts };
}

/**
 * Forms the next quorum of the members that are left and those that join. The step under way is
 * dropped by all and done again, with the same draws unless they were abandoned.
 */
export function formQuorum(turn: Turn, editId: string, joiners: readonly NodeView[]): void {
  if (editOf(turn, editId).tune === null) {
    putEdit(turn, { ...editOf(turn, editId), tune: freshTune });
  }
  const joined = joiners.map((node) => joinedMember(turn, editId, node));
  const { tune, record } = editOf(turn, editId);
  if (tune === null) return;
  const before = [...tune.members, ...joined.map(({ member }) => member)];
  const { snapshot } = record.tuning;
  const { step, sources } = quorumStart(before, { committedSteps: tune.committedSteps, snapshot });
  const members = before.map(
    (member, rank): MemberView => ({
      ...{ ...member, isReady: false, reduced: null, weights: null },
      isFetching: sources[rank]?.kind === "peer" || sources[rank]?.kind === "snapshot",
    }),
  );
  const attempts = attemptsBefore(step, tune, snapshot);
  const heardMs = turn.state.leaseClock.nowMs;
  putTune(turn, editId, {
    ...{ members, attempts, heardMs, atStep: step, changeWanted: "", finisher: "" },
    snapshotAskedStep: 0,
    nonFiniteInRow: step === tune.atStep ? tune.nonFiniteInRow : 0,
    headAttempts: step === tune.committedSteps ? attempts : tune.headAttempts,
  });
  const quorumId = record.tuning.quorumId + 1;
  putRecord(turn, editId, {
    tuning: { ...record.tuning, quorumId, members: places(turn, members) },
  });
  for (const { task } of joined) {
    turn.effects.push({ kind: "open-tune", editId, task, record });
  }
  sendQuorum(turn, editId, sources);
  const names = members.map(({ nodeId }) => nodeId).join(", ");
  const why = tune.changeWanted === "" ? "tuning begins" : tune.changeWanted;
  because(turn, `${why}: quorum ${quorumId} of ${names} goes on from step ${step}`, { editId });
}

function joinedMember(turn: Turn, editId: string, node: NodeView) {
  const { tuning, spec } = editOf(turn, editId).record;
  const { nodeId, incarnation } = node.info;
  const wasMember = tuning.members.some(
    (member) => member.nodeId === nodeId && member.incarnation === incarnation,
  );
  const frames = { begin: 0, end: spec.settings.frames };
  const task = addTask(turn, editId, { kind: "tune", node, promptIndex: -1, frames });
  const member: MemberView = {
    ...{ nodeId, taskId: task.id, holds: wasMember ? null : 0, isFetching: false },
    ...{ isReady: false, reduced: null, weights: null },
  };
  return { task, member };
}

function places(turn: Turn, members: readonly MemberView[]) {
  return members.map(({ nodeId }) => {
    const incarnation = turn.state.nodes.get(nodeId)?.info.incarnation ?? "";
    return { nodeId, incarnation };
  });
}

function sendQuorum(turn: Turn, editId: string, sources: readonly StateSource[]): void {
  const { record, tune } = editOf(turn, editId);
  if (tune === null) return;
  const { atStep, attempts, weights } = tune;
  const quorum: Quorum = {
    ...{ quorumId: record.tuning.quorumId, committedSteps: atStep, attempts },
    members: tune.members.map(({ nodeId }, rank) => ({
      nodeId,
      address: turn.state.nodes.get(nodeId)?.info.address ?? "",
      state: sources[rank] ?? { kind: "own" },
    })),
    shardCount: turn.options.shardCount,
    weightsHash: weights?.step === atStep ? weights.hash : "",
  };
  for (const { taskId, nodeId } of tune.members) {
    turn.effects.push({ kind: "send-quorum", editId, taskId, nodeId, quorum });
  }
}
