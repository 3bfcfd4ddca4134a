import {
  type Artifacts,
  type EditRecord,
  isComplete,
  type LatentsAt,
  type Task,
} from "./edit-record.js";
import { abortTasks, dissolved, dropTask, endEdit, freePlace } from "./endings.js";
import type { EventOf, TaskOrigin } from "./events.js";
import { loseTask, noteProgress } from "./members.js";
import { because, editOf, putEdit, putNode, putRecord, refuse, type Turn } from "./turn.js";

/**
 * The task that an event speaks of, if its record still names it: the same task, node, life of the
 * node and epoch. Anything else is of the past, and is refused.
 */
export function namedTask(turn: Turn, origin: TaskOrigin): Task | null {
  const { editId, taskId, nodeId, incarnation, epoch } = origin;
  const task = turn.state.edits.get(editId)?.record.tasks.find(({ id }) => id === taskId);
  const isNamed =
    task?.nodeId === nodeId && task.incarnation === incarnation && task.epoch === epoch;
  if (isNamed) return task;
  const message = `task ${taskId} of node ${nodeId || "coordinator"}: no record names it any more`;
  refuse(turn, { code: "FAILED_PRECONDITION", reason: "task-stale", message });
  return null;
}

/** A task is alive: noted for the node, so that only a silent one stalls. */
export function heardOf(turn: Turn, { nodeId, taskId }: TaskOrigin): void {
  const node = turn.state.nodes.get(nodeId);
  if (node === undefined) return;
  const heardMs = turn.state.leaseClock.nowMs;
  const tasks = node.tasks.map((task) => (task.taskId === taskId ? { ...task, heardMs } : task));
  putNode(turn, nodeId, { tasks });
}

export function onProgress(turn: Turn, event: EventOf<"task-progress">): void {
  const { editId, taskId, done, total } = event;
  const view = editOf(turn, editId);
  putEdit(turn, { ...view, progress: new Map(view.progress).set(taskId, { done, total }) });
  turn.reasons.push(`edit ${editId}: task ${taskId} has done ${done} of ${total}`);
}

/** Latents of an iteration are stored: a lost node costs no more than the iteration under way. */
export function onLatents(turn: Turn, { editId, latents }: EventOf<"latents">, task: Task): void {
  const { artifacts } = editOf(turn, editId).record;
  const { kind, promptIndex } = task;
  const before = kind === "invert" ? artifacts.inverted : artifacts.sampled[promptIndex];
  const isNext = before !== undefined && latents.done > before.done;
  const fits = latents.done <= latents.total && [0, latents.total].includes(before?.total ?? -1);
  if ((kind !== "invert" && kind !== "sample") || !isNext || !fits) {
    const got = `got ${latents.done} of ${latents.total}`;
    const message = `latents of task ${task.id}: expected more than ${before?.done ?? 0}, ${got}`;
    refuse(turn, { code: "FAILED_PRECONDITION", reason: "latents-stale", message });
    return;
  }
  putArtifacts(turn, editId, withLatents(artifacts, { task, latents }));
  noteProgress(turn, editId);
  const what = kind === "invert" ? "inversion" : `prompt ${promptIndex}`;
  because(turn, `${what}: ${latents.done} of ${latents.total} iterations are stored`, { editId });
}

function withLatents(
  artifacts: Artifacts,
  { task, latents }: { task: Task; latents: LatentsAt },
): Partial<Artifacts> {
  if (task.kind === "invert") return { inverted: latents };
  return { sampled: artifacts.sampled.with(task.promptIndex, latents) };
}

/** A decoded frame is stored. */
export function onFrame(turn: Turn, event: EventOf<"frame">, task: Task): void {
  const { editId, frame, artifactId } = event;
  const { frames } = editOf(turn, editId).record.artifacts;
  const ids = frames[task.promptIndex];
  const isAsked = task.kind === "decode" && frame >= task.frames.begin && frame < task.frames.end;
  if (isAsked && ids?.[frame] === artifactId) {
    turn.reasons.push(`edit ${editId}: frame ${frame} is there already, the same`);
    return;
  }
  if (!isAsked || ids?.[frame] !== "") {
    const message = `frame ${frame} of task ${task.id}: expected one that is asked for and missing`;
    refuse(turn, { code: "FAILED_PRECONDITION", reason: "frame-stale", message });
    return;
  }
  putArtifacts(turn, editId, {
    frames: frames.with(task.promptIndex, ids.with(frame, artifactId)),
  });
  because(turn, `prompt ${task.promptIndex}: frame ${frame} is stored`, { editId });
}

function putArtifacts(turn: Turn, editId: string, change: Partial<Artifacts>): void {
  const { artifacts } = editOf(turn, editId).record;
  putRecord(turn, editId, { artifacts: { ...artifacts, ...change } });
}

/** A task says that it is done: it is, if what it was asked for is there. */
export function onFinished(turn: Turn, event: EventOf<"task-finished">, task: Task): void {
  const { editId, result } = event;
  const view = editOf(turn, editId);
  if (!hasResult(view.record, { task, result, finisher: view.tune?.finisher ?? "" })) {
    const message = `task ${task.id} ended without its result`;
    const failure = { code: "DATA_LOSS", reason: "result-missing", message };
    loseTask(turn, { editId, taskId: task.id, failure });
    return;
  }
  dropTask(turn, editId, task);
  because(turn, `${task.kind} is done${task.nodeId && ` by node ${task.nodeId}`}`, { editId });
  if (task.kind === "ingest") putArtifacts(turn, editId, { clip: result.artifactId });
  if (task.kind === "encode") {
    const { moments } = editOf(turn, editId).record.artifacts;
    const part = { frames: task.frames, artifactId: result.artifactId };
    const parts = [...moments, part].toSorted((a, b) => a.frames.begin - b.frames.begin);
    putArtifacts(turn, editId, { moments: parts });
  }
  if (task.kind === "tune") {
    putArtifacts(turn, editId, { delta: result.artifactId });
    abortTasks(turn, { editId, reason: "the tuning is over" });
    const now = editOf(turn, editId);
    putEdit(turn, { ...now, tune: dissolved(now.tune) });
  }
  if (task.kind !== "publish") return;
  putArtifacts(turn, editId, { files: result.files });
  endEdit(turn, editId, { state: "succeeded", failure: null, reason: "succeeded" });
}

function hasResult(
  { artifacts }: EditRecord,
  {
    task,
    result,
    finisher,
  }: {
    task: Task;
    result: EventOf<"task-finished">["result"];
    finisher: string;
  },
): boolean {
  const { kind, promptIndex, frames, id, helps } = task;
  if (helps !== "") return true;
  switch (kind) {
    case "tune":
      return finisher === id && result.artifactId !== "";
    case "invert":
      return isComplete(artifacts.inverted);
    case "sample":
      return (
        artifacts.sampled[promptIndex] !== undefined && isComplete(artifacts.sampled[promptIndex])
      );
    case "decode":
      return (artifacts.frames[promptIndex] ?? [])
        .slice(frames.begin, frames.end)
        .every((frame) => frame !== "");
    case "publish":
      return result.files.length > 0;
    default:
      return result.artifactId !== "";
  }
}

/** A task failed. The place of its node is free, whether its record still names it or not. */
export function onEnded(turn: Turn, event: EventOf<"task-finished" | "task-failed">): void {
  freePlace(turn, event);
  const task = namedTask(turn, event);
  if (task === null) return;
  if (event.kind === "task-finished") {
    onFinished(turn, event, task);
    return;
  }
  loseTask(turn, event);
}
