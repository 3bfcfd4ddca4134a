import { onRetry, onSubmitted } from "./admission.js";
import { onCancel } from "./cancel.js";
import type { ClusterState, DecideOptions } from "./cluster-state.js";
import {
  onApplied,
  onCommitWritten,
  onReady,
  onReduced,
  onSnapshotStored,
  onStepFailed,
} from "./commits.js";
import { expireDeadlines } from "./deadlines.js";
import type { Task } from "./edit-record.js";
import type { CoordinatorEvent } from "./events.js";
import { endStalls, expireLeases, onDrain, onGone, onHeartbeat, onJoined } from "./leases.js";
import { onMachinesCordoned, onPoolSettled, onPoolShrinks } from "./leaving.js";
import { settle } from "./schedule.js";
import { onRecordFound, onStoreFull, onStoreHasRoom, onTookOver } from "./takeover.js";
import { heardOf, namedTask, onEnded, onFrame, onLatents, onProgress } from "./task-results.js";
import { begunTurn, type Decision, endedTurn, refuse, type Turn } from "./turn.js";

/**
 * The one decision of the coordinator: what an event changes, and what is to be done about it.
 *
 * Pure: it reads no clock and sends nothing. The caller keeps the state, then runs the effects in
 * the order that `effects.ts` tells. A refused event is counted, and changes nothing else.
 *
 * @param nowMs  Unix time; may jump, for leases run by a clock that does not
 */
export function decide(
  state: ClusterState,
  event: CoordinatorEvent,
  nowMs: number,
  options: DecideOptions,
): Decision {
  const turn = begunTurn(state, { nowMs, options });
  if (state.role === "active" || event.kind === "coordinator-took-over") {
    handle(turn, event);
    if (turn.refusal === null || isEnd(event)) settle(turn, event.kind);
  } else {
    const message = `coordinator ${state.coordinatorId} is ${state.role}: another decides`;
    refuse(turn, { code: "FAILED_PRECONDITION", reason: "not-active", message });
  }
  return endedTurn(turn);
}

/** Even a refused end of a task frees a place. */
const isEnd = ({ kind }: CoordinatorEvent): boolean =>
  kind === "task-finished" || kind === "task-failed";

function onTick(turn: Turn): void {
  expireLeases(turn);
  endStalls(turn);
  expireDeadlines(turn);
}

function handle(turn: Turn, event: CoordinatorEvent): void {
  switch (event.kind) {
    case "tick":
      onTick(turn);
      break;
    case "coordinator-took-over":
      onTookOver(turn, event);
      break;
    case "record-found":
      onRecordFound(turn, event);
      break;
    case "fenced":
      onFenced(turn, event.what);
      break;
    case "store-full":
      onStoreFull(turn, event);
      break;
    case "store-has-room":
      onStoreHasRoom(turn);
      break;
    case "forgotten":
      onForgotten(turn, event.editId);
      break;
    case "submitted":
      onSubmitted(turn, event);
      break;
    case "cancel":
      onCancel(turn, event);
      break;
    case "retry":
      onRetry(turn, event);
      break;
    case "node-joined":
      onJoined(turn, event);
      break;
    case "heartbeat":
      onHeartbeat(turn, event);
      break;
    case "drain":
      onDrain(turn, event);
      break;
    case "node-gone":
      onGone(turn, event);
      break;
    case "pool-shrinks":
      onPoolShrinks(turn, event);
      break;
    case "pool-settled":
      onPoolSettled(turn);
      break;
    case "machines-cordoned":
      onMachinesCordoned(turn, event);
      break;
    case "task-finished":
    case "task-failed":
      onEnded(turn, event);
      break;
    case "commit-written":
      onWritten(turn, event);
      break;
    default: {
      const task = namedTask(turn, event);
      if (task === null) return;
      handleTask(turn, event, task);
      if (turn.refusal === null) heardOf(turn, event);
    }
  }
}

type OfNamedTask = Extract<
  CoordinatorEvent,
  {
    kind:
      | "task-progress"
      | "latents"
      | "frame"
      | "member-ready"
      | `step-${string}`
      | "snapshot-stored";
  }
>;

function handleTask(turn: Turn, event: OfNamedTask, task: Task): void {
  switch (event.kind) {
    case "task-progress":
      onProgress(turn, event);
      break;
    case "latents":
      onLatents(turn, event, task);
      break;
    case "frame":
      onFrame(turn, event, task);
      break;
    case "member-ready":
      onReady(turn, event);
      break;
    case "step-reduced":
      onReduced(turn, event);
      break;
    case "step-applied":
      onApplied(turn, event);
      break;
    case "step-failed":
      onStepFailed(turn, event);
      break;
    case "snapshot-stored":
      onSnapshotStored(turn, event, task);
      return;
  }
}

function onWritten(turn: Turn, event: Extract<CoordinatorEvent, { kind: "commit-written" }>): void {
  if (turn.state.edits.has(event.editId) && event.epoch === turn.state.epoch) {
    onCommitWritten(turn, event);
    return;
  }
  const message = `commit of step ${event.step}: edit ${event.editId} is not tuned here any more`;
  refuse(turn, { code: "FAILED_PRECONDITION", reason: "step-stale", message });
}

/** Another coordinator has the store: everything here is void, and nothing more is decided. */
function onFenced(turn: Turn, what: string): void {
  const reason = `fenced: ${what} was written by another coordinator`;
  turn.state = { ...turn.state, role: "fenced", edits: turn.stored, nodes: new Map() };
  turn.effects.push({ kind: "step-down", reason });
  turn.reasons.push(reason);
}

function onForgotten(turn: Turn, editId: string): void {
  const edits = new Map(turn.state.edits);
  edits.delete(editId);
  turn.stored = edits;
  turn.state = { ...turn.state, edits };
  turn.reasons.push(`edit ${editId}: its record is gone`);
}
