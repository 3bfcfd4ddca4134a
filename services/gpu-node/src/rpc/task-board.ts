import { Code, fromUnknown, type Reason, RetakeError } from "@retake/errors";
import {
  decideTask,
  noTasks,
  type TaskDecision,
  type TaskEntry,
  type TaskEvent,
  type TaskTable,
  tasksOf,
} from "../node/task-table.js";

/** Tasks that may wait for the engine. */
const waitingMax = 16;

/** What a task is told while it runs. */
export interface TaskContext {
  /** Aborted when the task must end at once. */
  readonly signal: AbortSignal;
  /**
   * To be called at every boundary, once what was done has been sent.
   *
   * @throws RetakeError  `node-draining` if the task shall go on elsewhere
   */
  readonly assertGoesOn: () => void;
}

interface OpenTask {
  readonly entry: TaskEntry;
  readonly stop: AbortController;
  readonly start: () => void;
  isHandedOver: boolean;
}

/** Runs tasks one after the other, as the node's decisions say. */
export class TaskBoard {
  readonly #onDecision: (reason: string) => void;
  readonly #open = new Map<string, OpenTask>();
  #table: TaskTable = noTasks;
  #onEmpty: (() => void) | undefined;

  /** @param onDecision  told of every decision's reason, for the log */
  constructor(onDecision: (reason: string) => void) {
    this.#onDecision = onDecision;
  }

  get tasks(): readonly TaskEntry[] {
    return tasksOf(this.#table);
  }

  get epoch(): number {
    return this.#table.epoch;
  }

  /**
   * Runs a task once the engine is free.
   *
   * @param caller  ends the task with its call
   * @throws RetakeError  `node-busy`, `node-draining`, `epoch-stale`; why it was stopped, or what
   *                      `work` throws
   */
  async run<Value>(
    entry: TaskEntry,
    caller: AbortSignal,
    work: (context: TaskContext) => Promise<Value>,
  ): Promise<Value> {
    const { taskId } = entry;
    const stop = new AbortController();
    let start = (): void => {};
    const started = new Promise<void>((resolve) => {
      start = resolve;
    });
    this.#apply({ kind: "asked", task: entry }, { entry, stop, start, isHandedOver: false });
    const onCaller = (): void => stop.abort(caller.reason);
    caller.addEventListener("abort", onCaller, { once: true });
    if (caller.aborted) onCaller();
    try {
      await untilAborted(started, stop.signal);
      // It may have been stopped after it was started, and before this line.
      stop.signal.throwIfAborted();
      const assertGoesOn = (): void => {
        if (this.#open.get(taskId)?.isHandedOver === true) throw stopError(taskId, "node-draining");
      };
      return await work({ signal: stop.signal, assertGoesOn });
    } catch (thrown) {
      // Whoever was stopped says so in its own way; the caller shall know why.
      throw fromUnknown(stop.signal.aborted ? stop.signal.reason : thrown, `task ${taskId}`);
    } finally {
      caller.removeEventListener("abort", onCaller);
      this.#open.delete(taskId);
      this.#apply({ kind: "ended", taskId });
      if (this.#open.size === 0) this.#onEmpty?.();
    }
  }

  /** @returns  whether the task was here */
  abort(task: { readonly taskId: string; readonly epoch: number }): boolean {
    const isHere = this.#open.has(task.taskId);
    this.#apply({ kind: "abort-asked", ...task });
    return isHere;
  }

  /** @throws RetakeError  `epoch-stale` */
  assertEpoch(epoch: number): void {
    if (epoch >= this.epoch) {
      this.seeEpoch(epoch);
      return;
    }
    const message = `epoch: expected ${this.epoch} or later, got ${epoch}; another has taken over`;
    throw new RetakeError(Code.FailedPrecondition, "epoch-stale", message);
  }

  seeEpoch(epoch: number): void {
    this.#apply({ kind: "epoch-seen", epoch });
  }

  /** The lease is lost: every task ends at once. */
  voidAll(): void {
    this.#apply({ kind: "lease-lost" });
  }

  /** Takes no more tasks; resolves when none is left. */
  async drain(): Promise<void> {
    this.#apply({ kind: "drain-asked" });
    if (this.#open.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  #apply(event: TaskEvent, asked?: OpenTask): void {
    const { table, effects, reason } = decideTask(this.#table, event, { waitingMax });
    const refusal = effects.find((effect) => effect.kind === "refuse");
    this.#onDecision(reason);
    if (refusal?.kind === "refuse") {
      throw new RetakeError(refusal.code, refusal.reason, refusal.message);
    }
    this.#table = table;
    if (asked !== undefined) this.#open.set(asked.entry.taskId, asked);
    for (const effect of effects) this.#run(effect);
  }

  #run(effect: TaskDecision["effects"][number]): void {
    if (effect.kind === "refuse") return;
    const task = this.#open.get(effect.taskId);
    if (task === undefined) return;
    if (effect.kind === "start") task.start();
    if (effect.kind === "hand-over") task.isHandedOver = true;
    if (effect.kind === "stop") task.stop.abort(stopError(effect.taskId, effect.because));
  }
}

const stopCodes: Partial<Readonly<Record<Reason, Code>>> = {
  stopped: Code.Canceled,
  "node-draining": Code.Unavailable,
};

function stopError(taskId: string, because: Reason): RetakeError {
  const code = stopCodes[because] ?? Code.FailedPrecondition;
  return new RetakeError(code, because, `task ${taskId}: ended here: ${because}`);
}

/** Settles as the work does, or with the signal's reason. */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as RetakeError);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  await Promise.race([work, aborted]).finally(() => signal.removeEventListener("abort", onAbort));
}
