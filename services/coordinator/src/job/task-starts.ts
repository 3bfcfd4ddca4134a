import type { NodeView } from "./cluster-state.js";
import type { EditRecord, FrameRange, Phase, Task } from "./edit-record.js";
import { editOf, putNode, putRecord, type Turn } from "./turn.js";

/** Names a new task in its record, and takes a place of its node; whoever calls sends it out. */
export function addTask(
  turn: Turn,
  editId: string,
  {
    kind,
    node,
    promptIndex,
    frames,
    helps = "",
  }: {
    kind: Phase;
    /** Null: the coordinator itself. */
    node: NodeView | null;
    promptIndex: number;
    frames: FrameRange;
    helps?: string;
  },
): Task {
  const { record } = editOf(turn, editId);
  const taskSerial = record.taskSerial + 1;
  const task: Task = {
    ...{ id: `${editId}-${taskSerial}`, kind, attempt: record.attempt, epoch: turn.state.epoch },
    ...{ nodeId: node?.info.nodeId ?? "", incarnation: node?.info.incarnation ?? "" },
    ...{ promptIndex, frames, helps, startedMs: turn.nowMs },
  };
  putRecord(turn, editId, {
    ...{ tasks: [...record.tasks, task], taskSerial, state: "running" },
    startedMs: record.startedMs === 0 ? turn.nowMs : record.startedMs,
    ...(record.numericsId === "" && node !== null ? termsOf(node) : {}),
  });
  if (node === null) return task;
  const heardMs = turn.state.leaseClock.nowMs;
  putNode(turn, node.info.nodeId, {
    tasks: [...node.tasks, { taskId: task.id, editId, heardMs, missed: 0 }],
    modelLoaded: record.spec.model,
  });
  return task;
}

/** What an edit stays within once a node has begun it. */
function termsOf({ info }: NodeView): Pick<EditRecord, "numericsId" | "engine"> {
  return { numericsId: info.numericsId, engine: info.engine };
}
