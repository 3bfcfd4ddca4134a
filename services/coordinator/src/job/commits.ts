import type { MemberView, TuneView } from "./cluster-state.js";
import type { EditRecord, Task } from "./edit-record.js";
import { endEdit } from "./endings.js";
import type { EventOf } from "./events.js";
import { joinersFor } from "./joiners.js";
import {
  countFailure,
  noteProgress,
  putMember,
  quarantineMember,
  removeMember,
  restNode,
} from "./members.js";
import { attemptsBefore, hasHeir } from "./quorum.js";
import { because, editOf, putRecord, putTune, refuse, type Turn } from "./turn.js";

/**
 * Who differs from the rest: without a majority nobody knows who is right, and `agreed` is null.
 *
 * @param hashes  of one thing, by node; at least one
 */
export function oddOnesOut(hashes: readonly { readonly nodeId: string; readonly hash: string }[]): {
  readonly agreed: string | null;
  readonly odd: readonly string[];
} {
  const counts = new Map<string, number>();
  for (const { hash } of hashes) counts.set(hash, (counts.get(hash) ?? 0) + 1);
  const agreed = [...counts].find(([, count]) => 2 * count > hashes.length)?.[0] ?? null;
  const odd = hashes.filter(({ hash }) => hash !== agreed).map(({ nodeId }) => nodeId);
  return { agreed, odd };
}

interface Sitting {
  readonly record: EditRecord;
  readonly tune: TuneView;
  readonly member: MemberView;
}

/** The tuning that a member speaks of, if its quorum is still the present one. */
function sittingOf(
  turn: Turn,
  { editId, quorumId, nodeId }: { editId: string; quorumId: number; nodeId: string },
): Sitting | null {
  const { record, tune } = editOf(turn, editId);
  const member = tune?.members.find((candidate) => candidate.nodeId === nodeId);
  if (tune !== null && member !== undefined && quorumId === record.tuning.quorumId) {
    return { record, tune, member };
  }
  const now = record.tuning.quorumId;
  stale(turn, "quorum-stale", `quorum: expected ${now}, got ${quorumId} of node ${nodeId}`);
  return null;
}

function stale(turn: Turn, reason: string, text: string): void {
  const message = `${text}; it came late or twice`;
  refuse(turn, { code: "FAILED_PRECONDITION", reason, message });
}

/** A member has the state that it could get. */
export function onReady(turn: Turn, event: EventOf<"member-ready">): void {
  const sitting = sittingOf(turn, event);
  if (sitting === null) return;
  const { editId, nodeId, committedSteps: holds, weightsHash } = event;
  const { member, tune } = sitting;
  if (member.isReady) {
    stale(turn, "step-stale", `ready: node ${nodeId} has said so`);
    return;
  }
  if (holds > tune.committedSteps) {
    const why = `it holds ${holds} steps, and the log has ${tune.committedSteps}`;
    quarantineMember(turn, { editId, nodeId, why });
    return;
  }
  putMember(turn, event, { holds, isReady: true });
  putTune(turn, editId, { heardMs: turn.state.leaseClock.nowMs });
  turn.reasons.push(`edit ${editId}: node ${nodeId} holds ${holds} steps`);
  if (weightsHash !== "") onWeights(turn, { editId, nodeId, step: holds, hash: weightsHash });
  allReady(turn, editId);
}

/** When all are ready, the step begins by itself, unless some could not get the state for it. */
function allReady(turn: Turn, editId: string): void {
  const { tune } = editOf(turn, editId);
  if (tune === null || !tune.members.every(({ isReady }) => isReady)) return;
  const behind = tune.members.filter(({ holds }) => holds !== tune.atStep);
  if (behind.length === 0) {
    finishIfDone(turn, editId);
    return;
  }
  const why = `${behind.map(({ nodeId }) => nodeId).join(", ")} did not hold step ${tune.atStep}`;
  putTune(turn, editId, { changeWanted: why });
  for (const { nodeId } of behind.filter(({ isFetching }) => isFetching)) {
    removeMember(turn, { editId, nodeId, why });
    restNode(turn, { nodeId, why });
    const failure = { code: "UNAVAILABLE", reason: "state-missing", message: why };
    if (!countFailure(turn, { editId, nodeId, phase: "tune", failure })) return;
  }
}

/** A member holds the whole reduced gradient of the step under way, or none that is finite. */
export function onReduced(turn: Turn, event: EventOf<"step-reduced">): void {
  const sitting = sittingOf(turn, event);
  if (sitting === null) return;
  const { editId, nodeId, step, reduced } = event;
  const { tune, member } = sitting;
  if (step !== tune.atStep || member.reduced !== null) {
    stale(turn, "step-stale", `step: expected ${tune.atStep} once, got ${step} of ${nodeId}`);
    return;
  }
  putMember(turn, event, { reduced, isReady: true, holds: step });
  putTune(turn, editId, { heardMs: turn.state.leaseClock.nowMs });
  if (!reduced.isFinite) {
    abandonDraws(turn, editId, tune);
    return;
  }
  const now = editOf(turn, editId).tune;
  const waiting = now?.members.filter((candidate) => candidate.reduced === null).length ?? 0;
  turn.reasons.push(`edit ${editId}: node ${nodeId} reduced step ${step}, ${waiting} to come`);
  if (waiting === 0) judge(turn, editId);
}

/** All members have answered: the step is committed, or done again. */
function judge(turn: Turn, editId: string): void {
  const { tune, record } = editOf(turn, editId);
  if (tune === null) return;
  const answers = tune.members.flatMap(({ nodeId, reduced }) =>
    reduced ? [{ nodeId, reduced }] : [],
  );
  const hashes = answers.map(({ nodeId, reduced }) => ({ nodeId, hash: reduced.gradientHash }));
  const { agreed, odd } = oddOnesOut(hashes);
  if (agreed === null) {
    disagree(turn, editId, `gradients of step ${tune.atStep} differ`);
    return;
  }
  if (odd.length > 0) {
    removeOdd(turn, { editId, odd, what: `gradient of step ${tune.atStep}` });
    return;
  }
  if (tune.atStep < tune.committedSteps) {
    replayed(turn, editId, agreed);
    return;
  }
  const draws = answers.reduce((sum, { reduced }) => sum + reduced.drawCount, 0);
  const lossSum = answers.reduce((sum, { reduced }) => sum + reduced.lossSum, 0);
  const commit = {
    ...{ editId, epoch: turn.state.epoch, step: tune.atStep, quorumId: record.tuning.quorumId },
    nodeIds: tune.members.map(({ nodeId }) => nodeId),
    numericsId: record.numericsId,
    gradientHash: agreed,
    weightsHash: tune.weights?.step === tune.atStep ? tune.weights.hash : "",
    attempts: tune.attempts + 1,
    loss: draws === 0 ? 0 : lossSum / draws,
  };
  putTune(turn, editId, { pending: commit });
  turn.effects.push({ kind: "write-commit", editId, commit });
  turn.reasons.push(`edit ${editId}: all ${answers.length} members agree on step ${tune.atStep}`);
}

/**
 * A loss or gradient that is not finite, of any member: the draws are not taken again. A member
 * with such a loss sends no sums, and the others wait for those: the next quorum, of the same
 * members, has them drop the step at once.
 */
function abandonDraws(turn: Turn, editId: string, tune: TuneView): void {
  const nonFiniteInRow = tune.nonFiniteInRow + 1;
  const { nonFiniteInRowMax } = turn.options;
  const times = `${nonFiniteInRow} of ${nonFiniteInRowMax} in a row`;
  const why = `step ${tune.atStep} is not finite (${times})`;
  if (nonFiniteInRow >= nonFiniteInRowMax) {
    const failure = { code: "FAILED_PRECONDITION", reason: "loss-not-finite", message: why };
    endEdit(turn, editId, { state: "failed", failure, reason: `failed: ${why}` });
    return;
  }
  putTune(turn, editId, { nonFiniteInRow, attempts: tune.attempts + 1, changeWanted: why });
  turn.reasons.push(`edit ${editId}: ${why}: new draws`);
}

/** Nobody knows who is right: done again from the snapshot, a few times. */
function disagree(turn: Turn, editId: string, why: string): void {
  const { tune } = editOf(turn, editId);
  const disagreementsInRow = (tune?.disagreementsInRow ?? 0) + 1;
  if (disagreementsInRow >= turn.options.disagreementsInRowMax) {
    const failure = { code: "DATA_LOSS", reason: "numerics-disagree", message: why };
    endEdit(turn, editId, { state: "failed", failure, reason: `failed: ${why}` });
    return;
  }
  const members = tune?.members.map((member) => ({ ...member, holds: 0 })) ?? [];
  putTune(turn, editId, { disagreementsInRow, members, changeWanted: why });
  turn.reasons.push(`edit ${editId}: ${why}`);
}

function removeOdd(
  turn: Turn,
  { editId, odd, what }: { editId: string; odd: readonly string[]; what: string },
): void {
  for (const nodeId of odd) {
    const why = `its ${what} differs from that of the others`;
    quarantineMember(turn, { editId, nodeId, why });
  }
}

/** A step of the log was computed again: its gradient must be the one of the log. */
function replayed(turn: Turn, editId: string, gradientHash: string): void {
  const { tune } = editOf(turn, editId);
  const logged = tune?.commits.find(({ step }) => step === tune.atStep);
  if (logged?.gradientHash !== gradientHash) {
    disagree(turn, editId, `step ${tune?.atStep} differs from the log`);
    return;
  }
  turn.reasons.push(`edit ${editId}: step ${logged.step} is as the log has it`);
  advance(turn, editId, logged.attempts);
}

/** The record of a step is stored: the step counts. */
export function onCommitWritten(turn: Turn, event: EventOf<"commit-written">): void {
  const { editId, step, quorumId } = event;
  const { tune } = editOf(turn, editId);
  const { pending } = tune ?? {};
  if (!tune || !pending || pending.step !== step || pending.quorumId !== quorumId) {
    stale(turn, "step-stale", `commit: expected ${pending?.step ?? "none"}, got ${step}`);
    return;
  }
  const { gradientHash, attempts } = pending;
  putTune(turn, editId, {
    ...{ pending: null, committedSteps: step + 1, headAttempts: attempts, disagreementsInRow: 0 },
    commits: [...tune.commits, { step, gradientHash, attempts }],
  });
  turn.reasons.push(`edit ${editId}: step ${step} counts`);
  noteProgress(turn, editId);
  advance(turn, editId, attempts);
}

/** Members apply the step, and go on with the next; it is the moment to change the quorum. */
function advance(turn: Turn, editId: string, attempts: number): void {
  const { tune, record } = editOf(turn, editId);
  if (tune === null) return;
  const step = tune.atStep;
  const heardMs = turn.state.leaseClock.nowMs;
  const members = tune.members.map((member) => ({ ...member, reduced: null, holds: step + 1 }));
  putTune(turn, editId, { atStep: step + 1, attempts, nonFiniteInRow: 0, members, heardMs });
  const { quorumId } = record.tuning;
  for (const { taskId, nodeId } of members) {
    turn.effects.push({ kind: "send-commit", editId, taskId, nodeId, quorumId, step });
  }
  const { steps } = record.spec.settings;
  removeLeavers(turn, { editId, members });
  const left = editOf(turn, editId).tune;
  if (left === null || left.changeWanted !== "") return;
  if (step + 1 < steps && joinersFor(turn, editId).nodes.length > 0) {
    putTune(turn, editId, { changeWanted: "a node is spare" });
  }
  const [first] = left.members;
  if (first !== undefined && step + 1 < steps && isSnapshotDue(record, left, step + 1)) {
    const { taskId, nodeId } = first;
    putTune(turn, editId, { snapshotAskedStep: step + 1 });
    turn.effects.push({ kind: "take-snapshot", editId, taskId, nodeId });
  }
}

/**
 * Members that shall do no more steps leave after one, as another has all that they have. Where
 * none stays, whoever drains hands its state over by itself, as a snapshot, and leaves then: to
 * send it away before that would lose every step since the last one.
 */
function removeLeavers(
  turn: Turn,
  { editId, members }: { editId: string; members: readonly MemberView[] },
): void {
  const isLeft = hasHeir(turn.state, members);
  for (const { nodeId } of members) {
    const state = turn.state.nodes.get(nodeId)?.state;
    if (state === "ready" || (state === "draining" && !isLeft)) continue;
    removeMember(turn, { editId, nodeId, why: `node ${nodeId} is ${state}` });
  }
}

/** One that is under way counts: it may take longer than a step. */
function isSnapshotDue(
  { spec, tuning }: EditRecord,
  { snapshotAskedStep }: TuneView,
  committedSteps: number,
): boolean {
  const last = Math.max(tuning.snapshot?.committedSteps ?? 0, snapshotAskedStep);
  return spec.snapshotEverySteps > 0 && committedSteps - last >= spec.snapshotEverySteps;
}

/** The tuning is over when all members agree on the weights that it has come to. */
function finishIfDone(turn: Turn, editId: string): void {
  const { tune, record } = editOf(turn, editId);
  const { steps } = record.spec.settings;
  const [first] = tune?.members ?? [];
  if (!tune || !first || tune.atStep < steps || tune.committedSteps < steps) return;
  if (tune.finisher !== "" || tune.weights?.step !== steps) return;
  const { taskId, nodeId } = first;
  putTune(turn, editId, { finisher: taskId });
  turn.effects.push({ kind: "finish-tuning", editId, taskId, nodeId });
  turn.reasons.push(`edit ${editId}: all ${steps} steps count, node ${nodeId} sends the delta`);
}

/** A member has applied the last commit. */
export function onApplied(turn: Turn, event: EventOf<"step-applied">): void {
  const sitting = sittingOf(turn, event);
  if (sitting === null) return;
  const { editId, nodeId, step, weightsHash: hash } = event;
  if (step !== sitting.tune.atStep - 1) {
    stale(turn, "step-stale", `applied: expected ${sitting.tune.atStep - 1}, got ${step}`);
    return;
  }
  putTune(turn, editId, { heardMs: turn.state.leaseClock.nowMs });
  turn.reasons.push(`edit ${editId}: node ${nodeId} applied step ${step}`);
  if (hash !== "") onWeights(turn, { editId, nodeId, step: step + 1, hash });
}

/** Compares the members' weights as soon as all have told; who differs is quarantined. */
function onWeights(
  turn: Turn,
  { editId, nodeId, step, hash }: { editId: string; nodeId: string; step: number; hash: string },
): void {
  putMember(turn, { editId, nodeId }, { weights: { step, hash } });
  const { tune } = editOf(turn, editId);
  if (tune === null) return;
  const told = tune.members.flatMap((member) =>
    member.weights?.step === step ? [{ nodeId: member.nodeId, hash: member.weights.hash }] : [],
  );
  const known = tune.weights?.step === step ? tune.weights.hash : null;
  if (known !== null && known !== hash) {
    removeOdd(turn, { editId, odd: [nodeId], what: `vector at step ${step}` });
    return;
  }
  if (told.length < tune.members.length) return;
  const { agreed, odd } = oddOnesOut(told);
  if (agreed === null) {
    disagree(turn, editId, `vectors at step ${step} differ`);
    return;
  }
  putTune(turn, editId, { weights: { step, hash: agreed } });
  removeOdd(turn, { editId, odd, what: `vector at step ${step}` });
  if (odd.length === 0) finishIfDone(turn, editId);
}

/** A member cannot finish the step: of it and the one it suspects, one leaves. */
export function onStepFailed(turn: Turn, event: EventOf<"step-failed">): void {
  const sitting = sittingOf(turn, event);
  if (sitting === null) return;
  const { editId, step, nodeId: reporter, suspectNodeId, failure } = event;
  const { tune } = sitting;
  if (step !== tune.atStep || tune.pending !== null) {
    stale(turn, "step-stale", `failed: expected step ${tune.atStep}, got ${step}`);
    return;
  }
  const rank = tune.members.findIndex(({ nodeId }) => nodeId === suspectNodeId);
  // Of a broken link nobody knows which end is bad: the first member stays, so that one does.
  const nodeId = rank > 0 ? suspectNodeId : reporter;
  const why = `node ${reporter} could not finish step ${step}: ${failure.message}`;
  removeMember(turn, { editId, nodeId, why });
  restNode(turn, { nodeId, why });
  countFailure(turn, { editId, nodeId, phase: "tune", failure });
}

/** A snapshot is stored: what lies before it need not be kept for computing it again. */
export function onSnapshotStored(turn: Turn, event: EventOf<"snapshot-stored">, task: Task): void {
  const { editId, committedSteps, artifactId } = event;
  const { tune, record } = editOf(turn, editId);
  const { snapshot } = record.tuning;
  const last = snapshot?.committedSteps ?? 0;
  const isUseful = tune !== null && last < committedSteps && committedSteps <= tune.committedSteps;
  if (!isUseful || task.kind !== "tune") {
    stale(turn, "step-stale", `snapshot: expected one after step ${last}, got ${committedSteps}`);
    return;
  }
  const attempts = attemptsBefore(committedSteps, { ...tune, atStep: -1 }, snapshot);
  const taken = { artifactId, committedSteps, attempts };
  const commits = tune.commits.filter(({ step }) => step >= committedSteps);
  putTune(turn, editId, { commits });
  putRecord(turn, editId, { tuning: { ...record.tuning, snapshot: taken } });
  because(turn, `a snapshot of step ${committedSteps} is stored`, { editId });
}
