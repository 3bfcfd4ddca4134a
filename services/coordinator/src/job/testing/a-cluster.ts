import {
  type ClusterState,
  type DecideOptions,
  defaultOptions,
  type NodeInfo,
  type NodeRates,
  standby,
  type TuneView,
} from "../cluster-state.js";
import { decide } from "../decide.js";
import type { EditRecord, EditSpec, Phase, Task } from "../edit-record.js";
import type { Effect, EffectOf } from "../effects.js";
import type { CoordinatorEvent, TaskOrigin } from "../events.js";
import type { Decision } from "../turn.js";
import { aSpec } from "./an-edit.js";

const someRates = { flopsPerSecond: 1, bytesPerSecond: 1, roundTripMs: 1, passes: [] };

/** A coordinator under test: what it is told, and what it wants done, by a clock set by hand. */
export class ACluster {
  state: ClusterState;
  nowMs = 1_000;
  readonly effects: Effect[] = [];
  readonly options: DecideOptions;
  last: Decision;

  constructor(options: Partial<DecideOptions> = {}) {
    this.options = { ...defaultOptions, ...options };
    this.state = standby("c");
    this.last = this.tell({
      ...{ kind: "coordinator-took-over", epoch: 1, records: [], logs: new Map() },
    });
  }

  tell(event: CoordinatorEvent): Decision {
    this.last = decide(this.state, event, this.nowMs, this.options);
    this.state = this.last.state;
    this.effects.push(...this.last.effects);
    return this.last;
  }

  /** Lets time pass in steps that the lease clock follows. */
  pass(forMs: number): void {
    const untilMs = this.nowMs + forMs;
    while (this.nowMs < untilMs) {
      this.nowMs = Math.min(untilMs, this.nowMs + this.options.tickGapMaxMs);
      this.tell({ kind: "tick" });
    }
  }

  join(nodeId: string, change: Partial<NodeInfo> = {}, rates: NodeRates = someRates): Decision {
    const info: NodeInfo = {
      ...{ nodeId, incarnation: `${nodeId}1`, protocolVersion: 1, address: `${nodeId}:1` },
      ...{
        memoryBytes: 100,
        engine: "e",
        numericsId: "n",
        models: [
          {
            hash: "m",
            name: "M",
            tunedParameters: 1,
            frameCoupling: null,
            passMemory: [],
            passFlops: [],
          },
        ],
      },
      ...change,
    };
    return this.tell({ kind: "node-joined", info, rates });
  }

  heartbeat(nodeId: string, taskIds: readonly string[]): Decision {
    const rates = someRates;
    const incarnation = this.state.nodes.get(nodeId)?.info.incarnation ?? "";
    return this.tell({ kind: "heartbeat", nodeId, incarnation, rates, taskIds });
  }

  submit(editId = "e", change: Partial<EditSpec> = {}, tenant = "t"): Decision {
    return this.tell({ kind: "submitted", editId, tenant, requestId: editId, spec: aSpec(change) });
  }

  record(editId = "e"): EditRecord {
    const record = this.state.edits.get(editId)?.record;
    if (record === undefined) throw new Error(`${editId} is not there`);
    return record;
  }

  tune(editId = "e"): TuneView {
    const tune = this.state.edits.get(editId)?.tune;
    if (!tune) throw new Error(`${editId} is not tuned`);
    return tune;
  }

  /** The task of a kind, on a node if it is named. */
  task(kind: Phase, nodeId?: string, editId = "e"): Task {
    const task = this.record(editId).tasks.find(
      (one) => one.kind === kind && (nodeId === undefined || one.nodeId === nodeId),
    );
    if (task === undefined) throw new Error(`no ${kind} runs`);
    return task;
  }

  from({ id: taskId, nodeId, incarnation, epoch }: Task, editId = "e"): TaskOrigin {
    return { editId, taskId, nodeId, incarnation, epoch };
  }

  finish(kind: Phase, artifactId = kind as string, nodeId?: string): Decision {
    const files = kind === "publish" ? [{ name: "out.mp4", artifactId, sizeBytes: 1 }] : [];
    const origin = this.from(this.task(kind, nodeId));
    return this.tell({ kind: "task-finished", ...origin, result: { artifactId, files } });
  }

  /** Goes through ingest and encode, up to the first quorum. */
  untilTune(spec: Partial<EditSpec> = {}): void {
    this.submit("e", spec);
    this.finish("ingest");
    // One part for each node.
    while (this.record().tasks.some(({ kind }) => kind === "encode")) this.finish("encode");
  }

  ready(nodeId: string, committedSteps: number, weightsHash = ""): Decision {
    const { quorumId } = this.record().tuning;
    const origin = this.from(this.task("tune", nodeId));
    return this.tell({ kind: "member-ready", ...origin, quorumId, committedSteps, weightsHash });
  }

  reduced(
    nodeId: string,
    step: number,
    { hash = "g", isFinite: isSound = true, quorumId = 0 } = {},
  ): Decision {
    const reduced = {
      lossSum: 1,
      drawCount: 1,
      isFinite: isSound,
      gradientHash: hash,
      gradientNorm: 1,
    };
    const origin = this.from(this.task("tune", nodeId));
    const now = quorumId || this.record().tuning.quorumId;
    return this.tell({ kind: "step-reduced", ...origin, quorumId: now, step, reduced });
  }

  applied(nodeId: string, step: number, weightsHash = ""): Decision {
    const { quorumId } = this.record().tuning;
    const origin = this.from(this.task("tune", nodeId));
    return this.tell({ kind: "step-applied", ...origin, quorumId, step, weightsHash });
  }

  written(step: number): Decision {
    const quorumId = this.tune().pending?.quorumId ?? 0;
    return this.tell({
      kind: "commit-written",
      editId: "e",
      epoch: this.state.epoch,
      quorumId,
      step,
    });
  }

  /** The effects of a kind in the last decision. */
  did<Kind extends Effect["kind"]>(kind: Kind): readonly EffectOf<Kind>[] {
    return this.last.effects.filter((effect): effect is EffectOf<Kind> => effect.kind === kind);
  }
}
