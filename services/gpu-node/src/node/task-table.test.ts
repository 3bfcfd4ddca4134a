import { describe, expect, it } from "vitest";
import { decideTask, noTasks, type TaskEvent, type TaskTable, tasksOf } from "./task-table.js";

const options = { waitingMax: 2 };
const task = (taskId: string, epoch = 1) => ({ taskId, editId: `edit-of-${taskId}`, epoch });
const asked = (taskId: string, epoch = 1): TaskEvent => ({
  kind: "asked",
  task: task(taskId, epoch),
});

/** The table after some events, and the effects of the last one. */
function after(...events: readonly TaskEvent[]) {
  let table: TaskTable = noTasks;
  let effects: readonly unknown[] = [];
  for (const event of events) {
    const decision = decideTask(table, event, options);
    ({ table, effects } = decision);
    expect(decision.reason).not.toBe("");
  }
  const { running, waiting, epoch } = table;
  return { running: running?.taskId, waiting: waiting.map(({ taskId }) => taskId), epoch, effects };
}

describe("decideTask", () => {
  it("gives the engine to the first task, and lets others wait in order", () => {
    expect(after(asked("a"))).toMatchObject({
      ...{ running: "a", waiting: [], effects: [{ kind: "start", taskId: "a" }] },
    });
    expect(after(asked("a"), asked("b"), asked("c"))).toMatchObject({
      ...{ running: "a", waiting: ["b", "c"], effects: [] },
    });
  });

  it("refuses one more than may wait", () => {
    expect(after(asked("a"), asked("b"), asked("c"), asked("d"))).toMatchObject({
      waiting: ["b", "c"],
      effects: [{ kind: "refuse", reason: "node-busy", code: "RESOURCE_EXHAUSTED" }],
    });
  });

  it("refuses a task that is here, whether it runs or waits", () => {
    for (const again of ["a", "b"]) {
      expect(after(asked("a"), asked("b"), asked(again)).effects).toMatchObject([
        { kind: "refuse", reason: "node-busy", code: "FAILED_PRECONDITION" },
      ]);
    }
  });

  it("starts the next task when one has ended", () => {
    expect(after(asked("a"), asked("b"), { kind: "ended", taskId: "a" })).toMatchObject({
      ...{ running: "b", waiting: [], effects: [{ kind: "start", taskId: "b" }] },
    });
    expect(after(asked("a"), { kind: "ended", taskId: "a" })).toMatchObject({
      ...{ running: undefined, effects: [] },
    });
  });

  it("forgets a task that waited no longer than its caller", () => {
    const events = [asked("a"), asked("b"), asked("c")];
    expect(after(...events, { kind: "ended", taskId: "b" })).toMatchObject({
      ...{ running: "a", waiting: ["c"], effects: [] },
    });
  });

  it("stops what is aborted, and only that", () => {
    const abort: TaskEvent = { kind: "abort-asked", taskId: "b", epoch: 1 };
    expect(after(asked("a"), asked("b"), abort).effects).toEqual([
      { kind: "stop", taskId: "b", because: "stopped" },
    ]);
    expect(after(asked("a"), abort).effects).toEqual([]);
  });

  it("refuses an older epoch, for tasks and for aborts, and changes nothing", () => {
    const old: TaskEvent[] = [asked("b", 1), { kind: "abort-asked", taskId: "a", epoch: 1 }];
    for (const event of old) {
      expect(after(asked("a", 2), event)).toMatchObject({
        ...{ running: "a", waiting: [], epoch: 2 },
        effects: [{ kind: "refuse", reason: "epoch-stale", code: "FAILED_PRECONDITION" }],
      });
    }
  });

  it("ends the tasks of an older coordinator when a newer one is heard of", () => {
    const stops = [
      { kind: "stop", taskId: "a", because: "epoch-stale" },
      { kind: "stop", taskId: "b", because: "epoch-stale" },
    ];
    const seen: TaskEvent = { kind: "epoch-seen", epoch: 2 };
    expect(after(asked("a"), asked("b"), seen)).toMatchObject({ epoch: 2, effects: stops });
    expect(after(asked("a"), asked("b"), asked("c", 2))).toMatchObject({
      ...{ waiting: ["b", "c"], effects: stops },
    });
    const aborted: TaskEvent = { kind: "abort-asked", taskId: "a", epoch: 2 };
    expect(after(asked("a"), asked("b"), aborted).effects).toEqual(stops);
    expect(after(asked("a", 2), seen).effects).toEqual([]);
  });

  it("stops every task when the lease is lost", () => {
    expect(after(asked("a"), asked("b"), { kind: "lease-lost" }).effects).toEqual([
      { kind: "stop", taskId: "a", because: "lease-lost" },
      { kind: "stop", taskId: "b", because: "lease-lost" },
    ]);
  });

  it("hands over what runs and refuses what comes when it drains, once", () => {
    const drain: TaskEvent = { kind: "drain-asked" };
    expect(after(asked("a"), asked("b"), drain).effects).toEqual([
      { kind: "stop", taskId: "b", because: "node-draining" },
      { kind: "hand-over", taskId: "a" },
    ]);
    expect(after(asked("a"), drain, drain).effects).toEqual([]);
    expect(after(drain, asked("a"))).toMatchObject({
      running: undefined,
      effects: [{ kind: "refuse", reason: "node-draining", code: "UNAVAILABLE" }],
    });
  });

  it("never lets a task wait for nothing, or two have the engine, whatever comes", () => {
    const events: TaskEvent[] = [
      ...["a", "b", "c"].flatMap((id): TaskEvent[] => [asked(id), { kind: "ended", taskId: id }]),
      ...[
        { kind: "lease-lost" } as const,
        { kind: "epoch-seen", epoch: 2 } as const,
        asked("d", 2),
      ],
    ];
    const visit = (table: TaskTable, depth: number): void => {
      const ids = tasksOf(table).map(({ taskId }) => taskId);
      expect(new Set(ids).size).toBe(ids.length);
      expect(table.waiting.length).toBeLessThanOrEqual(options.waitingMax);
      expect(table.running === undefined && table.waiting.length > 0).toBe(false);
      if (depth === 0) return;
      for (const event of events) visit(decideTask(table, event, options).table, depth - 1);
    };
    visit(noTasks, 4);
  });
});
