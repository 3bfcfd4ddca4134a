import { pino } from "pino";
import { defaultOptions } from "../../job/cluster-state.js";
import { aSpec, someSettings } from "../../job/testing/an-edit.js";
import { storeCodecs } from "../../loop/record-codec.js";
import { Reign } from "../../loop/reign.js";
import { createMemoryStores } from "../../store/memory-stores.js";

export const silent = pino({ level: "silent" });
const model = { hash: "m", name: "M", tunedParameters: 1, frameCoupling: null };
const rates = { flopsPerSecond: 1, bytesPerSecond: 1, roundTripMs: 1, passes: [] };

/** A coordinator that leads, with nodes whose processes are played by the test. */
export class ANodePool {
  readonly reign: Reign;
  readonly running = new Set<string>();
  #nowMs = 1_000;

  constructor(nodeIds: readonly string[]) {
    const options = {
      ...{ coordinatorId: "c", epoch: 1, stores: createMemoryStores(storeCodecs) },
      ...{ decideOptions: defaultOptions, nowUnixMs: () => this.#nowMs, logger: silent },
    };
    const runner = { run() {}, onNodes() {}, close() {} };
    this.reign = new Reign({ ...options, createRunner: () => runner }, []);
    for (const nodeId of nodeIds) this.join(nodeId);
  }

  close(): void {
    this.reign.end("the test is over");
  }

  join(nodeId: string, incarnation = `${nodeId}-1`): void {
    const info = {
      ...{ nodeId, incarnation, protocolVersion: 1, address: `${nodeId}:1` },
      ...{ memoryBytes: 0, numericsId: "n", models: [model] },
    };
    this.running.add(nodeId);
    const { refusal } = this.reign.tell({ kind: "node-joined", info, rates });
    if (refusal !== null) throw new Error(refusal.message);
  }

  stateOf(nodeId: string): string | undefined {
    return this.reign.state.nodes.get(nodeId)?.state;
  }

  /** Gives every node a part of a clip to encode. */
  async makeBusy(): Promise<void> {
    const settings = { ...someSettings, frames: this.running.size };
    const spec = aSpec({ settings });
    this.reign.tell({ kind: "submitted", editId: "e", tenant: "t", requestId: "e", spec });
    const result = { artifactId: "clip", files: [] };
    for (const task of this.reign.state.edits.get("e")?.record.tasks ?? []) {
      const { id: taskId, nodeId, incarnation, epoch } = task;
      const origin = { editId: "e", taskId, nodeId, incarnation, epoch };
      this.reign.tell({ kind: "task-finished", ...origin, result });
    }
    await this.reign.settled("e");
    const idle = [...this.reign.state.nodes.values()].filter(({ tasks }) => tasks.length === 0);
    if (idle.length > 0) throw new Error(`${idle.map(({ info }) => info.nodeId).join()} idle`);
  }

  /** A node ends its task at its next boundary, as one does that drains. */
  async handOver(nodeId: string): Promise<void> {
    const node = this.reign.state.nodes.get(nodeId);
    const failure = { code: "UNAVAILABLE", reason: "node-draining", message: "ended here" };
    for (const { editId, taskId } of node?.tasks ?? []) {
      const incarnation = node?.info.incarnation ?? "";
      const origin = { editId, taskId, nodeId, incarnation, epoch: 1 };
      this.reign.tell({ kind: "task-failed", ...origin, failure });
    }
    await this.reign.settled("e");
  }

  /** The process of a node has ended: nothing is heard of it until its lease has run out. */
  end(nodeIds: readonly string[]): void {
    for (const nodeId of nodeIds) this.running.delete(nodeId);
    const stepMs = defaultOptions.tickGapMaxMs;
    for (let passedMs = 0; passedMs <= defaultOptions.leaseDurationMs; passedMs += stepMs) {
      this.#nowMs += stepMs;
      for (const { info, tasks } of [...this.reign.state.nodes.values()]) {
        const { nodeId, incarnation } = info;
        if (!this.running.has(nodeId)) continue;
        const taskIds = tasks.map(({ taskId }) => taskId);
        this.reign.tell({ kind: "heartbeat", nodeId, incarnation, rates, taskIds });
      }
      this.reign.tell({ kind: "tick" });
    }
  }
}
