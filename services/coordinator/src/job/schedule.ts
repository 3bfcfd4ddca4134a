import { settleCanceled } from "./cancel.js";
import type { NodeView, Place } from "./cluster-state.js";
import { type EditRecord, isTerminal } from "./edit-record.js";
import { chargedShares, comparedEdits, joinedShares, nextTenant } from "./fairness.js";
import { startableUnits, type Unit } from "./phases.js";
import { idleNodesFor, isIdle } from "./placement.js";
import { formQuorum } from "./quorum.js";
import { addTask } from "./task-starts.js";
import { because, editOf, type Turn } from "./turn.js";

/** What every turn ends with: stopped edits end, free nodes get work, new quorums are formed. */
export function settle(turn: Turn): void {
  if (turn.state.role !== "active") return;
  settleCanceled(turn);
  if (!turn.state.isStoreFull) {
    if (hasFreeHand(turn)) assign(turn, "here");
    if (hasFreeNode(turn)) assign(turn, "nodes");
  }
  for (const { record, tune } of [...turn.state.edits.values()]) {
    if (tune === null || tune.changeWanted === "" || tune.pending !== null) continue;
    if (tune.members.length === 0 || isTerminal(record)) continue;
    formQuorum(turn, record.id, joinersFor(turn, record, tune.members.length));
  }
}

/** Idle nodes that would do a share of the draws of a step. */
function joinersFor(turn: Turn, record: EditRecord, membersCount: number): readonly NodeView[] {
  const room = Math.min(record.spec.settings.draws, turn.options.membersMax) - membersCount;
  if (room <= 0 || turn.state.isStoreFull) return [];
  return idleNodesFor(turn.state, record).slice(0, room);
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
  for (;;) {
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
  const isWriting = editOf(turn, record.id).tune?.pending != null;
  return startableUnits(record).filter(
    (unit) => placeOf(unit) === place && !(unit.kind === "tune" && isWriting),
  );
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
      if (!hasFreeHand(turn)) return false;
      const task = addTask(turn, editId, { ...unit, node: null });
      turn.effects.push({ kind: "run-here", editId, task, record });
      because(turn, `${unit.kind} begins`, { editId });
      return true;
    }
    const nodes = idleNodesFor(turn.state, record);
    const [node] = nodes;
    if (node === undefined) return false;
    if (unit.kind === "tune") {
      const { draws } = record.spec.settings;
      const membersMax = othersWait ? 1 : Math.min(draws, turn.options.membersMax);
      formQuorum(turn, editId, nodes.slice(0, membersMax));
    } else {
      startTask(turn, editId, { unit, node, nodeCount: nodes.length });
    }
    return true;
  }
  return false;
}

function startTask(
  turn: Turn,
  editId: string,
  { unit, node, nodeCount }: { unit: Unit; node: NodeView; nodeCount: number },
): void {
  const { begin, end } = unit.frames;
  const share = Math.max(turn.options.framesPerTaskMin, Math.ceil((end - begin) / nodeCount));
  const frames =
    unit.kind === "decode" ? { begin, end: Math.min(end, begin + share) } : unit.frames;
  const task = addTask(turn, editId, { ...unit, frames, node });
  const { record } = editOf(turn, editId);
  turn.effects.push({ kind: "start-task", editId, task, record });
  const what = unit.promptIndex < 0 ? unit.kind : `${unit.kind} of prompt ${unit.promptIndex}`;
  because(turn, `${what} begins on node ${node.info.nodeId}`, { editId });
}
