import type { TuneView } from "./cluster-state.js";
import type { EditState, Failure, Task } from "./edit-record.js";
import { because, editOf, putEdit, putNode, putRecord, type Turn } from "./turn.js";

/** Ends an edit: its tasks are stopped, and nothing of theirs is believed any more. */
export function endEdit(
  turn: Turn,
  editId: string,
  { state, failure, reason }: { state: EditState; failure: Failure | null; reason: string },
): void {
  abortTasks(turn, { editId, reason });
  const view = editOf(turn, editId);
  putEdit(turn, { ...view, tune: dissolved(view.tune), progress: new Map() });
  putRecord(turn, editId, { state, failure, finishedMs: turn.nowMs });
  because(turn, reason, { editId });
}

/** A tuning without members: what is known of its log is kept, for another try goes on from it. */
export function dissolved(tune: TuneView | null): TuneView | null {
  return tune && { ...tune, members: [], changeWanted: "", finisher: "" };
}

/** Takes all tasks of an edit out of its record, and has their nodes stop them. */
export function abortTasks(
  turn: Turn,
  { editId, reason }: { editId: string; reason: string },
): void {
  const { tasks } = editOf(turn, editId).record;
  for (const task of tasks) abortTask(turn, { editId, task, reason });
}

/** The node may run the task still: its place stays taken until it is heard that it does not. */
export function abortTask(
  turn: Turn,
  { editId, task, reason }: { editId: string; task: Task; reason: string },
): void {
  dropTask(turn, editId, task);
  const { id: taskId, nodeId } = task;
  turn.effects.push({ kind: "abort-task", editId, taskId, nodeId, reason });
}

/** Takes a task out of its record: from now on it is not named, and its results are refused. */
export function dropTask(turn: Turn, editId: string, task: Task): void {
  const view = editOf(turn, editId);
  const tasks = view.record.tasks.filter(({ id }) => id !== task.id);
  const progress = new Map(view.progress);
  progress.delete(task.id);
  putEdit(turn, { ...view, progress, record: { ...view.record, tasks } });
  for (const helper of tasks.filter(({ helps }) => helps === task.id)) {
    abortTask(turn, { editId, task: helper, reason: `${task.id} has ended, which it helped` });
  }
}

/** The node has ended a task: it may take another. */
export function freePlace(
  turn: Turn,
  { nodeId, incarnation, taskId }: { nodeId: string; incarnation: string; taskId: string },
): void {
  const node = turn.state.nodes.get(nodeId);
  if (node === undefined || node.info.incarnation !== incarnation) return;
  const tasks = node.tasks.filter((task) => task.taskId !== taskId);
  if (tasks.length < node.tasks.length) putNode(turn, nodeId, { tasks });
}
