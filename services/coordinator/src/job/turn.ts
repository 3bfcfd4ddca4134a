import type {
  ClusterState,
  DecideOptions,
  EditView,
  NodeView,
  Refusal,
  TuneView,
} from "./cluster-state.js";
import type { EditRecord, Failure } from "./edit-record.js";
import type { Effect } from "./effects.js";
import { closedLayouts } from "./layout-reports.js";
import { phaseOf } from "./phases.js";

/**
 * What one event changes, while it is being decided. A turn lives for one call of `decide`, which
 * is pure from outside: the state that it began with stays as it was.
 */
export interface Turn {
  /** The edits as they are stored: what differs at the end is written. */
  stored: ClusterState["edits"];
  readonly nowMs: number;
  readonly options: DecideOptions;
  state: ClusterState;
  readonly effects: Effect[];
  readonly reasons: string[];
  refusal: Refusal | null;
}

/** What a decision gives: the caller keeps the state, then runs the effects. */
export interface Decision {
  readonly state: ClusterState;
  readonly effects: readonly Effect[];
  /** Why, in words; never empty. */
  readonly reason: string;
  /** Set where the event was refused: nothing else was changed by it. */
  readonly refusal: Refusal | null;
}

/** Begins a turn, and moves the lease clock: never back, and never further than a tick may. */
export function begunTurn(
  before: ClusterState,
  { nowMs, options }: { nowMs: number; options: DecideOptions },
): Turn {
  const { seenMs, nowMs: leaseNowMs } = before.leaseClock;
  const passedMs = seenMs === 0 ? 0 : Math.min(Math.max(nowMs - seenMs, 0), options.tickGapMaxMs);
  const leaseClock = { seenMs: nowMs, nowMs: leaseNowMs + passedMs };
  const state = { ...before, leaseClock };
  return { stored: before.edits, nowMs, options, state, effects: [], reasons: [], refusal: null };
}

/** Ends a turn: changed records get the next revision, and are written ahead of what they order. */
export function endedTurn(turn: Turn): Decision {
  const { stored, state, effects } = turn;
  const reason = turn.reasons.length > 0 ? turn.reasons.join("; ") : "nothing changes";
  if (state.edits === stored) return { state, effects, reason, refusal: turn.refusal };
  const edits = new Map(state.edits);
  const ordered: Effect[] = [];
  for (const [editId, view] of edits) {
    if (view.record === stored.get(editId)?.record) continue;
    const { epoch } = state;
    const { revision } = view.record;
    const whole = { ...view.record, ...tuningOf(view), epoch, revision: revision + 1 };
    const layouts = closedLayouts(whole, turn.nowMs);
    const record = { ...whole, layouts, phase: phaseOf(whole) };
    edits.set(editId, { ...view, record });
    ordered.push({ kind: "write-record", editId, record });
  }
  for (const effect of effects) {
    const record = "record" in effect ? edits.get(effect.editId)?.record : undefined;
    ordered.push(record && "task" in effect ? { ...effect, record } : effect);
  }
  return { state: { ...state, edits }, effects: ordered, reason, refusal: turn.refusal };
}

/** What a record takes over from the tuning under way whenever it is written. */
function tuningOf({ record, tune }: EditView): Pick<EditRecord, "tuning"> {
  if (tune === null) return { tuning: record.tuning };
  const weightsHash = tune.weights?.step === tune.committedSteps ? tune.weights.hash : "";
  return { tuning: { ...record.tuning, committedSteps: tune.committedSteps, weightsHash } };
}

/** An edit that must be there: whoever asks has looked. */
export function editOf({ state }: Turn, editId: string): EditView {
  const view = state.edits.get(editId);
  if (view === undefined) throw new Error(`edit ${editId}: expected it to be known; a bug`);
  return view;
}

export function putEdit(turn: Turn, view: EditView): void {
  const { state, stored } = turn;
  const edits = state.edits === stored ? new Map(state.edits) : state.edits;
  (edits as Map<string, EditView>).set(view.record.id, view);
  turn.state = { ...state, edits };
}

/** Changes a record, and so writes it at the end of the turn. */
export function putRecord(turn: Turn, editId: string, change: Partial<EditRecord>): void {
  const view = editOf(turn, editId);
  putEdit(turn, { ...view, record: { ...view.record, ...change } });
}

export function putTune(turn: Turn, editId: string, change: Partial<TuneView>): void {
  const view = editOf(turn, editId);
  if (view.tune === null) throw new Error(`edit ${editId}: expected a tuning under way; a bug`);
  putEdit(turn, { ...view, tune: { ...view.tune, ...change } });
}

export function putNode(turn: Turn, nodeId: string, change: Partial<NodeView>): void {
  const node = turn.state.nodes.get(nodeId);
  if (node === undefined) return;
  turn.state = {
    ...turn.state,
    nodes: new Map(turn.state.nodes).set(nodeId, { ...node, ...change }),
  };
}

/** Says why; a sentence about an edit is kept in its record, with what this turn said before. */
export function because(turn: Turn, reason: string, { editId }: { editId?: string } = {}): void {
  turn.reasons.push(editId === undefined ? reason : `edit ${editId}: ${reason}`);
  if (editId === undefined) return;
  const said = editOf(turn, editId).record.reason;
  const isNew = said === (turn.stored.get(editId)?.record.reason ?? "");
  putRecord(turn, editId, { reason: isNew ? reason : `${said}; ${reason}` });
}

/** Refuses the event: the caller returns at once, and nothing else is changed. */
export function refuse(turn: Turn, failure: Failure): void {
  turn.refusal = failure;
  turn.reasons.push(`refused: ${failure.message}`);
  const refused = new Map(turn.state.refused);
  refused.set(failure.reason, (refused.get(failure.reason) ?? 0) + 1);
  turn.state = { ...turn.state, refused };
}
