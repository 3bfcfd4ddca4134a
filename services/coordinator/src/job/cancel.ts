import { unknownEdit } from "./admission.js";
import { isTerminal } from "./edit-record.js";
import { abortTasks, dissolved, endEdit } from "./endings.js";
import type { EventOf } from "./events.js";
import { because, editOf, putEdit, putRecord, refuse, type Turn } from "./turn.js";

/** Stops an edit; it is canceled when no node computes for it any more. Idempotent. */
export function onCancel(turn: Turn, { editId, tenant }: EventOf<"cancel">): void {
  const record = turn.state.edits.get(editId)?.record;
  if (record === undefined || record.tenant !== tenant) {
    refuse(turn, unknownEdit(editId));
    return;
  }
  if (isTerminal(record) || record.state === "canceling") {
    turn.reasons.push(`edit ${editId}: is ${record.state} already`);
    return;
  }
  abortTasks(turn, { editId, reason: "canceled" });
  const view = editOf(turn, editId);
  putEdit(turn, { ...view, tune: dissolved(view.tune), progress: new Map() });
  putRecord(turn, editId, { state: "canceling" });
  because(turn, "is being canceled", { editId });
}

/** Ends canceling edits whose last task has ended: by its own word, or with its node's lease. */
export function settleCanceled(turn: Turn): void {
  for (const { record } of turn.state.edits.values()) {
    if (record.state !== "canceling") continue;
    const runs = [...turn.state.nodes.values()].some(({ tasks }) =>
      tasks.some(({ editId }) => editId === record.id),
    );
    if (runs) continue;
    endEdit(turn, record.id, { state: "canceled", failure: null, reason: "canceled" });
  }
}
