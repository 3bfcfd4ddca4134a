import {
  type ClusterState,
  type CoordinatorEvent,
  type Decision,
  decide,
  defaultOptions,
  type EditSpec,
  standby,
} from "@retake/coordinator/job";
import type { ScaledReign } from "@retake/coordinator/pool";
import { Code, RetakeError } from "@retake/errors";
import { pino } from "pino";

export const silent = pino({ level: "silent" });
const model = {
  hash: "m",
  name: "M",
  tunedParameters: 1,
  frameCoupling: null,
  passMemory: [],
  passFlops: [],
};
const rates = { flopsPerSecond: 1, bytesPerSecond: 1, roundTripMs: 1, passes: [] };
const spec: EditSpec = {
  ...{ sourcePrompt: "s", prompts: ["p"], negativePrompt: "", videoId: "v", model: "m" },
  settings: {
    ...{ frames: 3, stride: 1, start: "0", width: 8, height: 8, fit: "crop", steps: 2, rate: 1 },
    ...{ draws: 2, mode: "paper", temporalStart: "no-op", memory: "fast", ddim: 3, guidance: 1 },
    ...{ strength: 1, seed: 1, batch: 1 },
  },
  ...{ layout: "auto", priority: 0, startByMs: 0, finishByMs: 0 },
  ...{ snapshotEverySteps: 0, memoryBytesNeeded: 0 },
};

/** A coordinator that leads, and whose nodes' processes are played by the test. */
export class ANodePool implements ScaledReign {
  state: ClusterState = standby("c");
  readonly running = new Set<string>();
  readonly #ending = new AbortController();
  #onNodes = new Set<() => void>();
  #nowMs = 1_000;

  constructor(nodeIds: readonly string[]) {
    this.tell({ kind: "coordinator-took-over", epoch: 1, records: [], logs: new Map() });
    for (const nodeId of nodeIds) this.join(nodeId);
  }

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  tell(event: CoordinatorEvent): Decision {
    const before = this.state;
    const decision = decide(before, event, this.#nowMs, defaultOptions);
    this.state = decision.state;
    if (decision.state.nodes !== before.nodes) for (const wake of [...this.#onNodes]) wake();
    return decision;
  }

  changed(_: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        this.#onNodes.delete(wake);
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      const onAbort = (): void => {
        this.#onNodes.delete(wake);
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
      else this.#onNodes.add(wake);
    });
  }

  /** Its lead is over. */
  end(why: string): void {
    this.#ending.abort(new RetakeError(Code.Unavailable, "not-active", why));
  }

  join(nodeId: string, incarnation = `${nodeId}-1`): void {
    const info = {
      ...{ nodeId, incarnation, protocolVersion: 1, address: `${nodeId}:1` },
      ...{ memoryBytes: 0, engine: "onnx-cpu", numericsId: "n", models: [model] },
    };
    this.running.add(nodeId);
    const { refusal } = this.tell({ kind: "node-joined", info, rates });
    if (refusal !== null) throw new Error(refusal.message);
  }

  stateOf(nodeId: string): string | undefined {
    return this.state.nodes.get(nodeId)?.state;
  }

  /** Gives every node a part of a clip to encode. */
  makeBusy(): void {
    this.tell({ kind: "submitted", editId: "e", tenant: "t", requestId: "e", spec });
    const result = { artifactId: "clip", files: [] };
    for (const task of this.state.edits.get("e")?.record.tasks ?? []) {
      const { id: taskId, nodeId, incarnation, epoch } = task;
      const origin = { editId: "e", taskId, nodeId, incarnation, epoch };
      this.tell({ kind: "task-finished", ...origin, result });
    }
    const idle = [...this.state.nodes.values()].filter(({ tasks }) => tasks.length === 0);
    if (idle.length > 0) throw new Error(`${idle.map(({ info }) => info.nodeId).join()} idle`);
  }

  /** A node ends its task at its next boundary, as one does that drains. */
  handOver(nodeId: string): void {
    const node = this.state.nodes.get(nodeId);
    const failure = { code: "UNAVAILABLE", reason: "node-draining", message: "ended here" };
    for (const { editId, taskId } of node?.tasks ?? []) {
      const incarnation = node?.info.incarnation ?? "";
      const origin = { editId, taskId, nodeId, incarnation, epoch: 1 };
      this.tell({ kind: "task-failed", ...origin, failure });
    }
  }

  /** Processes have ended: nothing is heard of them until their leases have run out. */
  endProcesses(nodeIds: readonly string[]): void {
    for (const nodeId of nodeIds) this.running.delete(nodeId);
    const { tickGapMaxMs, leaseDurationMs } = defaultOptions;
    for (let passedMs = 0; passedMs <= leaseDurationMs; passedMs += tickGapMaxMs) {
      this.#nowMs += tickGapMaxMs;
      for (const { info, tasks } of [...this.state.nodes.values()]) {
        const { nodeId, incarnation } = info;
        if (!this.running.has(nodeId)) continue;
        const taskIds = tasks.map(({ taskId }) => taskId);
        this.tell({ kind: "heartbeat", nodeId, incarnation, rates, taskIds });
      }
      this.tell({ kind: "tick" });
    }
  }
}
