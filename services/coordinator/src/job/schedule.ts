import { settleCanceled } from "./cancel.js";
import type { NodeView, Place } from "./cluster-state.js";
import { type EditRecord, type FrameRange, isTerminal } from "./edit-record.js";
import type { Effect } from "./effects.js";
import type { CoordinatorEvent } from "./events.js";
import { chargedShares, comparedEdits, joinedShares, nextTenant } from "./fairness.js";
import { isPromptHeldBack, planPrompts, promptsLeft } from "./held-back.js";
import { joinersFor } from "./joiners.js";
import { noteLayout } from "./layouts.js";
import { lendPeers, recallPeers } from "./lending.js";
import { fittingPasses } from "./pass-memory.js";
import { iterationsOf, type Piece, plannedPiece } from "./phase-work.js";
import { startableUnits, type Unit } from "./phases.js";
import { eligibility, freedSoon, idleNodesFor, isIdle } from "./placement.js";
import type { Plan } from "./planning.js";
import { formQuorum } from "./quorum.js";
import { addTask } from "./task-starts.js";
import { because, editOf, putRecord, type Turn } from "./turn.js";

/**
 * Events that come all the time and free no node. What they change for helpers is seen at the next
 * tick: to weigh it at each of a thousand nodes' heartbeats would take more than a processor.
 */
const frequent: ReadonlySet<CoordinatorEvent["kind"]> = new Set([
  ...(["heartbeat", "task-progress", "latents", "frame", "member-ready"] as const),
  ...(["step-reduced", "step-applied", "commit-written", "snapshot-stored"] as const),
]);

const changesTasks: ReadonlySet<Effect["kind"]> = new Set(["start-task", "abort-task"]);

/**
 * What every turn ends with: stopped edits end, free nodes get work, new quorums are formed.
 *
 * @param cause  the event of the turn
 */
export function settle(turn: Turn, cause: CoordinatorEvent["kind"]): void {
  if (turn.state.role !== "active") return;
  settleCanceled(turn);
  if (!turn.state.isStoreFull) {
    planPrompts(turn);
    if (hasRoom(turn, "here")) assign(turn, "here");
    if (hasFreeNode(turn)) {
      cutPasses(turn);
      assign(turn, "nodes");
    }
    if (hasHelpers(turn)) recallPeers(turn, waitingPieces(turn));
  }
  for (const { record, tune } of [...turn.state.edits.values()]) {
    if (tune === null || tune.changeWanted === "" || tune.pending !== null) continue;
    if (tune.members.length === 0 || isTerminal(record)) continue;
    changeQuorum(turn, record.id);
  }
  const isNews = !frequent.has(cause) || turn.effects.some(({ kind }) => changesTasks.has(kind));
  if (isNews && !turn.state.isStoreFull && hasFreeNode(turn)) lendPeers(turn);
}

/**
 * Of an edit that nobody has begun, passes are made smaller that fit on no node: when it was
 * accepted, there may have been none. Later it waits for the node that it began on, since smaller
 * passes give other bits.
 */
function cutPasses(turn: Turn): void {
  for (const { record } of [...turn.state.edits.values()]) {
    const { id: editId, framesPerPass: asked, numericsId, artifacts } = record;
    if (asked <= 1 || numericsId !== "" || artifacts.clip === "" || isTerminal(record)) continue;
    const { framesPerPass, shortfall } = fittingPasses(turn.state.nodes.values(), record);
    if (shortfall !== null || framesPerPass === asked) continue;
    putRecord(turn, editId, { framesPerPass });
    because(turn, `${asked} frames a pass fit on no node, ${framesPerPass} do`, { editId });
  }
}

function changeQuorum(turn: Turn, editId: string): void {
  const { nodes, plan } = joinersFor(turn, editId);
  formQuorum(turn, editId, nodes);
  if (plan !== null) noteLayout(turn, editId, { phase: "tune", promptIndex: -1, plan });
}

const hasHelpers = ({ state }: Turn): boolean => {
  for (const { record } of state.edits.values()) {
    if (record.tasks.some(({ helps }) => helps !== "")) return true;
  }
  return false;
};

/** Pieces for nodes that could begin, by edit: after `assign`, none of them found a node. */
function waitingPieces(turn: Turn): ReadonlyMap<string, readonly Unit[]> {
  const waiting = new Map<string, readonly Unit[]>();
  for (const { record } of turn.state.edits.values()) {
    if (isTerminal(record) || record.state === "canceling") continue;
    const pieces = unitsOf(turn, record, "nodes");
    if (pieces.length > 0) waiting.set(record.id, pieces);
  }
  return waiting;
}

const placeOf = ({ kind }: Unit): Place =>
  kind === "ingest" || kind === "publish" ? "here" : "nodes";

/** Gives work to whoever is free, tenant by tenant; of each place, all get like shares. */
function assign(turn: Turn, place: Place): void {
  const waiting = new Map<string, EditRecord[]>();
  const present = new Set<string>();
  for (const view of turn.state.edits.values()) {
    const { record } = view;
    if (isTerminal(record) || record.state === "canceling") continue;
    const { tenant } = record;
    present.add(tenant);
    if (unitsOf(turn, record, place).length === 0) continue;
    const ofTenant = waiting.get(tenant);
    if (ofTenant === undefined) waiting.set(tenant, [record]);
    else ofTenant.push(record);
  }
  putShares(turn, place, joinedShares(turn.state.shares[place], [...present]));
  for (const records of waiting.values()) records.sort(comparedEdits);
  // Of thousands that wait, none is looked at any more when there is no room for another.
  while (hasRoom(turn, place)) {
    const tenant = nextTenant([...waiting.keys()], turn.state.shares[place]);
    if (tenant === undefined) return;
    const records = waiting.get(tenant) ?? [];
    const othersWait = waiting.size > 1 || records.length > 1;
    const started = records.find(({ id }) => startOne(turn, id, { place, othersWait }));
    if (started === undefined) {
      waiting.delete(tenant);
      continue;
    }
    const before = turn.state.shares[place];
    putShares(turn, place, chargedShares(before, { tenant, cost: 1, present: [...present] }));
  }
}

function putShares(turn: Turn, place: Place, shares: ReadonlyMap<string, number>): void {
  turn.state = { ...turn.state, shares: { ...turn.state.shares, [place]: shares } };
}

const hasFreeNode = ({ state }: Turn): boolean => {
  for (const node of state.nodes.values()) if (isIdle(node, state.leaseClock.nowMs)) return true;
  return false;
};

const hasRoom = (turn: Turn, place: Place): boolean =>
  place === "here" ? hasFreeHand(turn) : hasFreeNode(turn);

/** Whether this process may run another ffmpeg. */
function hasFreeHand({ state, options }: Turn): boolean {
  let count = 0;
  for (const { record } of state.edits.values()) {
    for (const { nodeId } of record.tasks) if (nodeId === "") count += 1;
  }
  return count < options.coordinatorTasksMax;
}

/**
 * What could be begun in a place. A tuning whose commit is being written waits for it: until then
 * nobody knows its last step.
 */
function unitsOf(turn: Turn, record: EditRecord, place: Place): readonly Unit[] {
  const view = editOf(turn, record.id);
  const isWriting = view.tune?.pending != null;
  const isPromptHeld = place === "nodes" && isPromptHeldBack(view);
  return startableUnits(record).filter(
    (unit) =>
      placeOf(unit) === place &&
      !(unit.kind === "tune" && isWriting) &&
      !(unit.kind === "sample" && isPromptHeld) &&
      !(place === "nodes" && isHeldBack(turn, record, unit)),
  );
}

/** A layout that was asked for may leave nodes idle: one at a time, or two for each prompt. */
function isHeldBack({ state }: Turn, { spec, tasks }: EditRecord, { kind }: Unit): boolean {
  const running = tasks.filter(({ nodeId, helps }) => nodeId !== "" && helps === "").length;
  const isWhole = spec.layout === "frames" && (kind === "invert" || kind === "sample");
  if (spec.layout === "one" || isWhole) return running > 0;
  if (spec.layout !== "branches" || kind !== "sample") return false;
  const nodes = [...state.nodes.values()].filter((node) => node.state === "ready").length;
  return running >= Math.max(1, Math.floor(nodes / 2));
}

/** Begins the first piece of an edit that can be begun. */
function startOne(
  turn: Turn,
  editId: string,
  { place, othersWait }: { place: Place; othersWait: boolean },
): boolean {
  const { record } = editOf(turn, editId);
  for (const unit of unitsOf(turn, record, place)) {
    if (place === "here") {
      const task = addTask(turn, editId, { ...unit, node: null });
      turn.effects.push({ kind: "run-here", editId, task, record });
      because(turn, `${unit.kind} begins`, { editId });
      return true;
    }
    const idle = idleNodesFor(turn.state, record, unit.kind);
    if (idle.length === 0) continue;
    startOnNodes(turn, editId, { unit, idle, othersWait });
    return true;
  }
  return false;
}

/** Plans a piece for the nodes that are free, and begins it, or as much as one node takes of it. */
function startOnNodes(
  turn: Turn,
  editId: string,
  { unit, idle, othersWait }: { unit: Unit; idle: readonly NodeView[]; othersWait: boolean },
): void {
  const { record, sampling } = editOf(turn, editId);
  const isEligible = eligibility(turn.state, record, unit.kind);
  const isFreedSoon = freedSoon(turn.state);
  const soon = [...turn.state.nodes.values()].filter(
    (node) => isFreedSoon(node) && isEligible(node),
  );
  const isTune = unit.kind === "tune";
  const [first] = idle;
  if (first === undefined) return;
  const free = isTune && othersWait ? [first] : [...idle, ...(isTune ? [] : soon)];
  const nodes = isTune ? free.slice(0, turn.options.membersMax) : free;
  const chosen = unit.kind === "sample" ? sampling?.plan : undefined;
  const plan = chosen ?? plannedPiece(turn.state, record, { piece: pieceOf(record, unit), nodes });
  if (plan === null) throw new Error(`${unit.kind}: expected a plan for it; a bug`);
  const chosenIds = new Set(plan.nodeIds);
  const planned = idle.filter(({ info }) => chosenIds.has(info.nodeId));
  if (isTune) formQuorum(turn, editId, planned);
  else startTask(turn, editId, { unit, node: planned[0] ?? first, plan });
  const isWhole = unit.kind === "sample" && record.spec.prompts.length > 1;
  const promptIndex = isWhole ? -1 : unit.promptIndex;
  noteLayout(turn, editId, { phase: unit.kind, promptIndex, plan: begunPlan(plan) });
}

/** One node begins alone; it says itself when another helps it. */
function begunPlan(plan: Plan): Plan {
  const one = plan.weighed.find(({ layout }) => layout === "one");
  const isHelped = plan.layout === "branches" || plan.layout === "frames";
  return isHelped && one !== undefined ? { ...plan, ...one } : plan;
}

/** All that an edit can begin of the same kind. */
function pieceOf(record: EditRecord, { kind, promptIndex, frames }: Unit): Piece {
  const { inverted, sampled } = record.artifacts;
  const prompts = promptsLeft(record).waiting;
  const latents = sampled[promptIndex];
  const done = (kind === "sample" ? latents?.done : inverted.done) ?? 0;
  const iterationsLeft = iterationsOf(record) - done;
  const count = frames.end - frames.begin;
  return { kind, frames: count, prompts: Math.max(1, prompts), iterationsLeft };
}

function startTask(
  turn: Turn,
  editId: string,
  { unit, node, plan }: { unit: Unit; node: NodeView; plan: Plan },
): void {
  const frames = framesFor(turn, editId, { unit, node, plan });
  const task = addTask(turn, editId, { ...unit, frames, node });
  const { record } = editOf(turn, editId);
  turn.effects.push({ kind: "start-task", editId, task, record });
  const what = unit.promptIndex < 0 ? unit.kind : `${unit.kind} of prompt ${unit.promptIndex}`;
  because(turn, `${what} begins on node ${node.info.nodeId}: ${plan.reason}`, { editId });
}

/** The frames that a node takes of a range: whole passes, as many as suit its speed. */
function framesFor(
  turn: Turn,
  editId: string,
  { unit, node, plan }: { unit: Unit; node: NodeView; plan: Plan },
): FrameRange {
  const { begin, end } = unit.frames;
  if (unit.kind !== "encode" && unit.kind !== "decode") return unit.frames;
  const { framesPerPass } = editOf(turn, editId).record;
  const share = plan.shares.get(node.info.nodeId) ?? end - begin;
  const least = Math.max(turn.options.framesPerTaskMin, share, 1);
  const whole = Math.ceil(least / framesPerPass) * framesPerPass;
  return { begin, end: Math.min(end, begin + whole) };
}
