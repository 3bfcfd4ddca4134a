import { type EditView, noShares } from "./cluster-state.js";
import { type EditRecord, isTerminal } from "./edit-record.js";
import type { CommitLog, EventOf } from "./events.js";
import { tuneOf } from "./quorum.js";
import { because, putEdit, putRecord, refuse, type Turn } from "./turn.js";

/**
 * Goes on from the store alone. Tasks of the epoch before are void; results that are in the records
 * and steps that are in the logs are kept. Nodes join again, and say what they hold.
 */
export function onTookOver(turn: Turn, event: EventOf<"coordinator-took-over">): void {
  const { epoch, records, logs } = event;
  if (epoch <= turn.state.epoch) {
    const message = `epoch: expected more than ${turn.state.epoch}, got ${epoch}`;
    refuse(turn, { code: "FAILED_PRECONDITION", reason: "epoch-stale", message });
    return;
  }
  const views = records.map((record) => viewOf(record, logs.get(record.id)));
  turn.stored = new Map(views.map((view) => [view.record.id, view]));
  turn.state = {
    ...turn.state,
    ...{ epoch, role: "active", isStoreFull: false, nodes: new Map(), shares: noShares },
    edits: turn.stored,
  };
  because(turn, `coordinator ${turn.state.coordinatorId} took over with epoch ${epoch}`);
  for (const { record } of views) goOn(turn, record);
}

/** An edit that was accepted by an earlier coordinator too late for the takeover to see it. */
export function onRecordFound(turn: Turn, { record, log }: EventOf<"record-found">): void {
  const view = viewOf(record, log);
  turn.stored = new Map(turn.stored).set(record.id, view);
  turn.state = { ...turn.state, edits: turn.stored };
  turn.reasons.push(`edit ${record.id}: found, accepted by an earlier coordinator`);
  goOn(turn, record);
}

function viewOf(record: EditRecord, log: CommitLog | undefined): EditView {
  if (log === undefined) return { record, tune: null, progress: new Map(), sampling: null };
  const { committedSteps, attempts: headAttempts, commits, weightsHash } = log;
  // The log has the hash of the state before its last step; the record may have that after it.
  const { tuning } = record;
  const isOfLast = tuning.weightsHash !== "" && tuning.committedSteps === committedSteps;
  const before = weightsHash === "" ? null : { step: committedSteps - 1, hash: weightsHash };
  const weights = isOfLast ? { step: committedSteps, hash: tuning.weightsHash } : before;
  const tune = tuneOf({ committedSteps, headAttempts, commits, weights });
  return { record, tune, progress: new Map(), sampling: null };
}

/** Its tasks are of another epoch, and void. */
function goOn(turn: Turn, record: EditRecord): void {
  const { id, state, tasks, recoveries, startedMs } = record;
  if (isTerminal(record) || (tasks.length === 0 && state !== "paused")) return;
  const resumed = startedMs === 0 ? "queued" : "running";
  putRecord(turn, id, {
    ...{ tasks: [], recoveries: recoveries + 1 },
    state: state === "paused" ? resumed : state,
  });
  because(turn, "goes on after a takeover", { editId: id });
}

/** The store has no room: nothing new is begun, and what waits is shown as paused. */
export function onStoreFull(turn: Turn, { what }: EventOf<"store-full">): void {
  turn.state = { ...turn.state, isStoreFull: true };
  because(turn, `the store has no room for ${what}`);
  setPaused(turn, true);
}

export function onStoreHasRoom(turn: Turn): void {
  turn.state = { ...turn.state, isStoreFull: false };
  because(turn, "the store has room");
  setPaused(turn, false);
}

function setPaused(turn: Turn, isPaused: boolean): void {
  for (const view of turn.state.edits.values()) {
    const { id, state, startedMs } = view.record;
    const isConcerned = isPaused ? state === "queued" || state === "running" : state === "paused";
    if (!isConcerned) continue;
    const resumed = startedMs === 0 ? "queued" : "running";
    putEdit(turn, view);
    putRecord(turn, id, { state: isPaused ? "paused" : resumed });
    because(turn, isPaused ? "paused: the store has no room" : "goes on: there is room", {
      editId: id,
    });
  }
}
