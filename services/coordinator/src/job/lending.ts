import type { NodeView } from "./cluster-state.js";
import { type EditRecord, isTerminal, type Phase, type Task } from "./edit-record.js";
import { abortTask } from "./endings.js";
import { mayHelp } from "./held-back.js";
import { changeLayout, noteDeclined } from "./layouts.js";
import { branchesOf, iterationsOf, mayChoose, type Piece, plannedPiece } from "./phase-work.js";
import type { Unit } from "./phases.js";
import { eligibility, freedSoon, idleNodesFor, soonIdleFor } from "./placement.js";
import type { Plan } from "./planning.js";
import { addTask } from "./task-starts.js";
import { because, editOf, type Turn } from "./turn.js";

/**
 * Idle nodes that no whole piece of work is left for help those that invert or sample, if that is
 * predicted to be faster: a peer computes the branch without the prompt of every iteration from
 * then on, or several share the frames of every pass. Of several samplings, each gets as many.
 */
export function lendPeers(turn: Turn): void {
  for (const { record } of [...turn.state.edits.values()]) {
    if (isTerminal(record) || record.state === "canceling") continue;
    const helped = new Set(record.tasks.map(({ helps }) => helps));
    const tasks = record.tasks.filter((task) => !helped.has(task.id) && mayBeHelped(record, task));
    let free: Free | undefined;
    tasks.forEach((task, index) => {
      // Nobody is free any more who was lent a moment ago.
      free ??= freeFor(turn, record.id, task.kind);
      const isLent = lendTo(turn, record.id, { task, free, unhelped: tasks.length - index });
      if (isLent) free = undefined;
    });
  }
}

/** Whether a node that helps a task computes frames of its passes, and not a branch of them. */
export function sharesFrames(record: EditRecord, task: Task): boolean {
  return layoutAt(record, task)?.layout === "frames";
}

/** Whether a layout allows that others help with a task. */
function mayBeHelped(record: EditRecord, { kind, helps }: Task): boolean {
  const { layout } = record.spec;
  if (helps !== "") return false;
  const isShared = mayChoose(record.spec) || layout === "frames";
  if (kind === "invert") return isShared;
  if (kind !== "sample") return false;
  return isShared || mayBranch(record);
}

const mayBranch = (record: EditRecord): boolean =>
  branchesOf(record) === 2 && record.spec.layout === "branches";

/** Nodes that may help with a phase of an edit. */
interface Free {
  readonly idle: readonly NodeView[];
  /** Those that will be free in a moment, too: ranks are lent once. */
  readonly all: readonly NodeView[];
}

function freeFor(turn: Turn, editId: string, phase: Phase): Free {
  const view = editOf(turn, editId);
  const mayTake = (node: NodeView): boolean => mayHelp(view, node);
  const idle = idleNodesFor(turn.state, view.record, phase).filter(mayTake);
  return { idle, all: [...idle, ...soonIdleFor(turn.state, view.record, phase).filter(mayTake)] };
}

/**
 * Lends a task its share of the idle nodes, while so many tasks of its edit have no help.
 *
 * @returns  whether it was lent any
 */
function lendTo(
  turn: Turn,
  editId: string,
  { task, free, unhelped }: { task: Task; free: Free; unhelped: number },
): boolean {
  const { record } = editOf(turn, editId);
  const leader = turn.state.nodes.get(task.nodeId);
  const piece = pieceLeft(record, task);
  const [peer] = free.idle;
  if (peer === undefined || leader === undefined || piece.iterationsLeft < 2) return false;
  // Its help has ended as it should, and the end of the task is on its way.
  const { layout } = layoutAt(record, task) ?? {};
  if (layout === "branches" || layout === "frames") return false;
  // No more than each with one frame.
  const { frames } = record.spec.settings;
  const share = free.all.slice(0, Math.min(frames, Math.ceil(free.all.length / unhelped)));
  const planned = (nodes: readonly NodeView[]): Plan | null =>
    plannedPiece(turn.state, record, { piece, nodes: [leader, ...nodes] });
  let plan = planned(share);
  if (plan?.layout !== "frames") plan = planned([peer]);
  else if (!ranksOf(plan, share).every((node) => free.idle.includes(node))) return false;
  if (plan === null) return false;
  const isOnlyPrompt = task.kind === "sample" && record.spec.prompts.length === 1;
  if (plan.layout === "frames") {
    lendRanks(turn, editId, { task, leader, share, plan });
    return true;
  }
  if (plan.layout === "branches") {
    const nodeIds = [task.nodeId, peer.info.nodeId];
    lend(turn, editId, { task, peer, plan: { ...plan, nodeIds } });
    return true;
  }
  const place = { phase: "sample", promptIndex: task.promptIndex, plan } as const;
  if (isOnlyPrompt) noteDeclined(turn, editId, place);
  return false;
}

/** What an inversion or a sampling has left. */
function pieceLeft(record: EditRecord, { kind, promptIndex }: Task): Piece {
  const { inverted, sampled } = record.artifacts;
  const { done = 0, total = 0 } = (kind === "invert" ? inverted : sampled[promptIndex]) ?? {};
  const all = total || iterationsOf(record);
  return { kind, frames: 0, prompts: 1, iterationsLeft: all - done };
}

/** The nodes of a share that a plan has a use for. */
function ranksOf({ nodeIds }: Plan, share: readonly NodeView[]): readonly NodeView[] {
  return share.filter(({ info }) => nodeIds.includes(info.nodeId)).slice(0, nodeIds.length - 1);
}

const layoutAt = ({ layouts }: EditRecord, { kind, promptIndex }: Task) =>
  layouts.findLast(
    (report) =>
      report.phase === kind && report.promptIndex === promptIndex && report.measuredMs === 0,
  );

/** A helper is gone before its time: whoever samples goes on alone from the same iteration. */
export function goOnAlone(turn: Turn, editId: string, { helper, why }: Lost): void {
  const { record } = editOf(turn, editId);
  const task = record.tasks.find(({ id }) => id === helper.helps);
  const sampler = task && turn.state.nodes.get(task.nodeId);
  if (task === undefined || sampler === undefined) return;
  const piece = pieceLeft(record, task);
  const plan = plannedPiece(turn.state, record, { piece, nodes: [sampler] });
  // Of ranks that shared frames, others may have told before.
  if (plan === null || layoutAt(record, task)?.layout === "one") return;
  const { kind, promptIndex } = task;
  const reason = `${why}; ${plan.reason}`;
  changeLayout(turn, editId, { phase: kind, promptIndex, plan: { ...plan, reason } });
  const what = kind === "invert" ? "the clip is inverted" : `prompt ${promptIndex} is sampled`;
  because(turn, `${what} on alone: ${why}`, { editId });
}

/** Lends nodes to a task, to share the frames of its passes. */
function lendRanks(
  turn: Turn,
  editId: string,
  {
    task,
    leader,
    share,
    plan,
  }: { task: Task; leader: NodeView; share: readonly NodeView[]; plan: Plan },
): void {
  const { kind, promptIndex, frames, nodeId, id: taskId } = task;
  const peers = ranksOf(plan, share);
  const nodeIds = [nodeId, ...peers.map(({ info }) => info.nodeId)];
  const helpers = peers.map((peer) => {
    const helper = addTask(turn, editId, { kind, node: peer, promptIndex, frames, helps: taskId });
    return { task: helper, address: peer.info.address };
  });
  changeLayout(turn, editId, { phase: kind, promptIndex, plan: { ...plan, nodeIds } });
  const { record: changed } = editOf(turn, editId);
  for (const { task: helper } of helpers) {
    turn.effects.push({ kind: "start-task", editId, task: helper, record: changed });
  }
  const ownAddress = leader.info.address;
  turn.effects.push({ kind: "lend-frames", editId, taskId, nodeId, ownAddress, helpers });
  because(turn, `${kind}: ${plan.reason}`, { editId });
}

interface Lost {
  readonly helper: Task;
  readonly why: string;
}

function lend(
  turn: Turn,
  editId: string,
  { task, peer, plan }: { task: Task; peer: NodeView; plan: Plan },
): void {
  const { promptIndex, frames, nodeId, id: taskId } = task;
  const helper = addTask(turn, editId, {
    ...{ kind: "sample", node: peer, promptIndex, frames, helps: taskId },
  });
  changeLayout(turn, editId, { phase: "sample", promptIndex, plan });
  const { record } = editOf(turn, editId);
  const { address } = peer.info;
  turn.effects.push({ kind: "start-task", editId, task: helper, record });
  turn.effects.push({ kind: "lend-branch", editId, taskId, nodeId, helper, address });
  because(turn, `prompt ${promptIndex}: ${plan.reason}`, { editId });
}

/**
 * Whole pieces of work come before help: where some wait and no node is free, peers are called
 * back, as many as are missing, and those that sample go on alone.
 *
 * @param waiting  edits with work for nodes that nobody could begin, and those pieces
 */
export function recallPeers(turn: Turn, waiting: ReadonlyMap<string, readonly Unit[]>): void {
  for (const [editId, pieces] of waiting) {
    const { record } = editOf(turn, editId);
    const kinds = [...new Set(pieces.map(({ kind }) => kind))];
    const rules = kinds.map((kind) => eligibility(turn.state, record, kind));
    const nodes = [...turn.state.nodes.values()].filter((node) =>
      rules.some((isEligible) => isEligible(node)),
    );
    let missing = pieces.length - nodes.filter(freedSoon(turn.state)).length;
    for (const node of nodes) {
      if (missing <= 0) break;
      const helper = helperOn(turn, node);
      if (helper === undefined) continue;
      const reason = "whole pieces of work wait";
      abortTask(turn, { ...helper, reason });
      const why = `node ${node.info.nodeId} is called back: ${reason}`;
      goOnAlone(turn, helper.editId, { helper: helper.task, why });
      missing -= 1;
    }
  }
}

function helperOn({ state }: Turn, node: NodeView) {
  for (const { editId, taskId } of node.tasks) {
    const task = state.edits.get(editId)?.record.tasks.find(({ id }) => id === taskId);
    if (task !== undefined && task.helps !== "") return { editId, task };
  }
  return undefined;
}
