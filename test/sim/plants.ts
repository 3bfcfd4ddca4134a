import type { ClusterState, CoordinatorEvent, decide, EditRecord } from "@retake/coordinator/job";

type Decide = typeof decide;

/** A bug to be found: a decision, or the store, is swapped for a broken one. */
export interface Plant {
  readonly name: string;
  readonly decide?: (sound: Decide) => Decide;
  readonly isWithoutCompareAndSet?: boolean;
}

const withRecord = (state: ClusterState, record: EditRecord): ClusterState => {
  const view = state.edits.get(record.id);
  if (view === undefined) return state;
  return { ...state, edits: new Map(state.edits).set(record.id, { ...view, record }) };
};

/** Lets each event be rewritten before it is decided. */
const rewriting =
  (rewrite: (event: CoordinatorEvent, state: ClusterState) => CoordinatorEvent) =>
  (sound: Decide): Decide =>
  (state, event, nowMs, options) =>
    sound(state, rewrite(event, state), nowMs, options);

/** What helps a sampling that has ended is named on, by the record and by what is stored of it. */
const keepingHelpers =
  (sound: Decide): Decide =>
  (state, event, nowMs, options) => {
    const decision = sound(state, event, nowMs, options);
    let after = decision.state;
    const effects = decision.effects.map((effect) => {
      if (effect.kind !== "write-record") return effect;
      const before = state.edits.get(effect.editId)?.record.tasks ?? [];
      const left = before.filter(
        ({ id, helps }) => helps !== "" && !effect.record.tasks.some((task) => task.id === id),
      );
      const record = { ...effect.record, tasks: [...effect.record.tasks, ...left] };
      after = withRecord(after, record);
      return { ...effect, record };
    });
    return { ...decision, state: after, effects };
  };

export const plants: readonly Plant[] = [
  {
    name: "places work without asking what it takes of memory",
    decide: rewriting((event) => {
      if (event.kind !== "node-joined") return event;
      const models = event.info.models.map((model) => ({ ...model, passMemory: [] }));
      return { ...event, info: { ...event.info, models } };
    }),
  },
  { name: "keeps a helper whose sampling has ended", decide: keepingHelpers },
  { name: "writes without comparing: a fenced coordinator goes on", isWithoutCompareAndSet: true },
  {
    name: "takes results of tasks that no record names any more",
    decide: rewriting((event, { edits, epoch }) => {
      if (event.kind !== "latents" && event.kind !== "frame" && event.kind !== "task-finished") {
        return event;
      }
      const tasks = edits.get(event.editId)?.record.tasks ?? [];
      if (tasks.some(({ id }) => id === event.taskId)) return event;
      const kinds = {
        latents: ["invert", "sample"],
        frame: ["decode"],
        "task-finished": ["encode"],
      };
      const task = tasks.find(({ kind }) => kinds[event.kind].includes(kind));
      if (task === undefined) return event;
      const { id: taskId, nodeId, incarnation } = task;
      return { ...event, taskId, nodeId, incarnation, epoch };
    }),
  },
  {
    name: "commits a step before all members have answered",
    decide: (sound) => (state, event, nowMs, options) => {
      let decision = sound(state, event, nowMs, options);
      if (event.kind !== "step-reduced" || decision.refusal !== null) return decision;
      const effects = [...decision.effects];
      for (const { nodeId, taskId, reduced } of decision.state.edits.get(event.editId)?.tune
        ?.members ?? []) {
        const incarnation = decision.state.nodes.get(nodeId)?.info.incarnation ?? "";
        const isPending = decision.state.edits.get(event.editId)?.tune?.pending !== null;
        if (reduced !== null || isPending) continue;
        const forged = { ...event, nodeId, taskId, incarnation };
        decision = sound(decision.state, forged, nowMs, options);
        effects.push(...decision.effects);
      }
      return { ...decision, effects, refusal: null };
    },
  },
  {
    name: "takes gradients of an earlier quorum or step",
    decide: rewriting((event, { edits }) => {
      const view = event.kind === "step-reduced" ? edits.get(event.editId) : undefined;
      if (event.kind !== "step-reduced" || view?.tune == null) return event;
      return { ...event, quorumId: view.record.tuning.quorumId, step: view.tune.atStep };
    }),
  },
  {
    name: "loses resume points when a coordinator takes over",
    decide: rewriting((event) => {
      if (event.kind !== "coordinator-took-over") return event;
      const records = event.records.map((record) => ({
        ...record,
        artifacts: {
          ...record.artifacts,
          sampled: record.artifacts.sampled.map(() => ({ done: 0, total: 0, artifactId: "" })),
        },
      }));
      return { ...event, records };
    }),
  },
  {
    name: "sends the commit before its record is stored",
    decide: (sound) => (state, event, nowMs, options) => {
      const decision = sound(state, event, nowMs, options);
      const write = decision.effects.find(({ kind }) => kind === "write-commit");
      if (write?.kind !== "write-commit") return decision;
      const { editId, epoch, quorumId, step } = write.commit;
      const written = { kind: "commit-written", editId, epoch, quorumId, step } as const;
      const next = sound(decision.state, written, nowMs, options);
      const effects = [...next.effects, ...decision.effects];
      return { ...next, effects };
    },
  },
  {
    name: "forgets that a lease ran out",
    decide: (sound) => (state, event, nowMs, options) =>
      sound(state, event, nowMs, {
        ...options,
        leaseDurationMs: 1e9,
        missedHeartbeatsMax: 1e9,
        taskStallMs: 1e9,
        stepStallMs: 1e9,
      }),
  },
  {
    name: "begins a terminal edit again",
    decide: (sound) => (state, event, nowMs, options) => {
      const decision = sound(state, event, nowMs, options);
      if (event.kind !== "cancel" || decision.refusal !== null) return decision;
      const record = state.edits.get(event.editId)?.record;
      if (record?.state !== "canceled") return decision;
      const again = withRecord(decision.state, { ...record, state: "queued" });
      return sound(again, { kind: "tick" }, nowMs, options);
    },
  },
];
