import { Code, type Reason } from "@retake/errors";

/** A task as the node's decisions see it. */
export interface TaskEntry {
  readonly taskId: string;
  readonly editId: string;
  readonly epoch: number;
}

/** What the node works on: one task at a time has the engine, some wait for it. */
export interface TaskTable {
  /** The highest that was seen: what comes with a lower one is from a coordinator that was. */
  readonly epoch: number;
  readonly running: TaskEntry | undefined;
  readonly waiting: readonly TaskEntry[];
  readonly isDraining: boolean;
}

export type TaskEvent =
  | { readonly kind: "asked"; readonly task: TaskEntry }
  /** A task has ended, however; or one that waited is no longer wanted by its caller. */
  | { readonly kind: "ended"; readonly taskId: string }
  | { readonly kind: "abort-asked"; readonly taskId: string; readonly epoch: number }
  | { readonly kind: "epoch-seen"; readonly epoch: number }
  /** The lease is over: somebody else may have the tasks by now. */
  | { readonly kind: "lease-lost" }
  | { readonly kind: "drain-asked" };

export type TaskEffect =
  | { readonly kind: "start"; readonly taskId: string }
  | {
      readonly kind: "refuse";
      readonly code: Code;
      readonly reason: Reason;
      readonly message: string;
    }
  /** The task ends at once, what it has is thrown away. */
  | { readonly kind: "stop"; readonly taskId: string; readonly because: Reason }
  /** The task ends at its next boundary, and hands over what it has. */
  | { readonly kind: "hand-over"; readonly taskId: string };

export interface TaskDecision {
  readonly table: TaskTable;
  readonly effects: readonly TaskEffect[];
  readonly reason: string;
}

export const noTasks: TaskTable = {
  ...{ epoch: 0, running: undefined, waiting: [], isDraining: false },
};

/**
 * Which task may have the engine.
 *
 * Pure: the caller keeps the table, and runs the effects.
 */
export function decideTask(
  table: TaskTable,
  event: TaskEvent,
  options: { readonly waitingMax: number },
): TaskDecision {
  switch (event.kind) {
    case "asked":
      return onAsked(table, event.task, options);
    case "ended":
      return onEnded(table, event.taskId);
    case "abort-asked":
      return onAbortAsked(table, event);
    case "epoch-seen":
      return onEpochSeen(table, event.epoch);
    case "lease-lost":
      return stopAll(table, "lease-lost");
    case "drain-asked":
      return onDrainAsked(table);
  }
}

/** Every task that the node holds. */
export function tasksOf({ running, waiting }: TaskTable): readonly TaskEntry[] {
  return running === undefined ? waiting : [running, ...waiting];
}

function onAsked(
  table: TaskTable,
  task: TaskEntry,
  { waitingMax }: { readonly waitingMax: number },
): TaskDecision {
  const { taskId, epoch } = task;
  const stale = staleEpoch(table, epoch);
  if (stale !== undefined) return stale;
  if (table.isDraining) {
    const message = `task ${taskId}: expected a node that takes tasks, got one that drains`;
    return refused(table, { code: Code.Unavailable, reason: "node-draining", message });
  }
  const fenced = onEpochSeen(table, epoch);
  if (tasksOf(fenced.table).some((other) => other.taskId === taskId)) {
    const message = `task ${taskId}: expected one that is not here, got one that has not ended`;
    return refused(table, { code: Code.FailedPrecondition, reason: "node-busy", message });
  }
  if (fenced.table.waiting.length >= waitingMax) {
    const message = `task ${taskId}: expected fewer than ${waitingMax} that wait, got as many`;
    return refused(table, { code: Code.ResourceExhausted, reason: "node-busy", message });
  }
  const { running, waiting } = fenced.table;
  if (running === undefined) {
    return {
      table: { ...fenced.table, running: task },
      effects: [...fenced.effects, { kind: "start", taskId }],
      reason: `${taskId} has the engine`,
    };
  }
  return {
    table: { ...fenced.table, waiting: [...waiting, task] },
    effects: fenced.effects,
    reason: `${taskId} waits for ${running.taskId}`,
  };
}

function onEnded(table: TaskTable, taskId: string): TaskDecision {
  if (table.running?.taskId !== taskId) {
    const waiting = table.waiting.filter((task) => task.taskId !== taskId);
    return { table: { ...table, waiting }, effects: [], reason: `${taskId} waits no longer` };
  }
  const [next, ...waiting] = table.waiting;
  if (next === undefined) {
    const reason = `${taskId} has ended; nothing waits`;
    return { table: { ...table, running: undefined }, effects: [], reason };
  }
  return {
    table: { ...table, running: next, waiting },
    effects: [{ kind: "start", taskId: next.taskId }],
    reason: `${taskId} has ended; ${next.taskId} has the engine`,
  };
}

function onAbortAsked(
  table: TaskTable,
  { taskId, epoch }: { readonly taskId: string; readonly epoch: number },
): TaskDecision {
  const stale = staleEpoch(table, epoch);
  if (stale !== undefined) return stale;
  const fenced = onEpochSeen(table, epoch);
  const isHere = tasksOf(table).some((task) => task.taskId === taskId);
  const isStopped = fenced.effects.some((effect) => "taskId" in effect && effect.taskId === taskId);
  if (!isHere || isStopped) return { ...fenced, reason: `${taskId} is not here to be aborted` };
  const stop = { kind: "stop", taskId, because: "stopped" } as const;
  return { ...fenced, effects: [...fenced.effects, stop], reason: `${taskId} is aborted as asked` };
}

/** A newer coordinator has taken over: what the one before it asked for is not wanted any more. */
function onEpochSeen(table: TaskTable, epoch: number): TaskDecision {
  if (epoch <= table.epoch) {
    return { table, effects: [], reason: `epoch ${table.epoch} is current` };
  }
  const old = tasksOf(table).filter((task) => task.epoch < epoch);
  return {
    table: { ...table, epoch },
    effects: old.map(({ taskId }) => ({ kind: "stop", taskId, because: "epoch-stale" })),
    reason: `epoch ${epoch} begins; ${old.length} tasks of older ones end`,
  };
}

function stopAll(table: TaskTable, because: Reason): TaskDecision {
  const tasks = tasksOf(table);
  return {
    table,
    effects: tasks.map(({ taskId }) => ({ kind: "stop", taskId, because })),
    reason: `${because}: ${tasks.length} tasks end`,
  };
}

function onDrainAsked(table: TaskTable): TaskDecision {
  if (table.isDraining) return { table, effects: [], reason: "it drains already" };
  const { running, waiting } = table;
  const handed = running === undefined ? [] : [running];
  return {
    table: { ...table, isDraining: true },
    effects: [
      ...waiting.map(({ taskId }) => ({ kind: "stop", taskId, because: "node-draining" }) as const),
      ...handed.map(({ taskId }) => ({ kind: "hand-over", taskId }) as const),
    ],
    reason: `takes no more tasks; ${tasksOf(table).length} end`,
  };
}

function staleEpoch(table: TaskTable, epoch: number): TaskDecision | undefined {
  if (epoch >= table.epoch) return undefined;
  const message = `epoch: expected ${table.epoch} or later, got ${epoch}; another has taken over`;
  return refused(table, { code: Code.FailedPrecondition, reason: "epoch-stale", message });
}

function refused(
  table: TaskTable,
  why: { readonly code: Code; readonly reason: Reason; readonly message: string },
): TaskDecision {
  return { table, effects: [{ kind: "refuse", ...why }], reason: why.message };
}
