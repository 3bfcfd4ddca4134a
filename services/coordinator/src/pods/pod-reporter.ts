import { fromUnknown } from "@retake/errors";
import type { Logger } from "pino";
import type { NodeView } from "../job/cluster-state.js";
import type { KubeClient } from "../kubernetes/client.js";
import { untilTaken } from "../kubernetes/until-taken.js";
import { type Joined, joinedOf, type Pod, withJoined } from "./pod-conditions.js";

export interface PodReporterOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly coordinatorId: string;
  readonly nowUnixMs: () => number;
  readonly logger: Logger;
  /** A write was refused, or had no answer. */
  readonly onFailed: (what: "condition" | "event") => void;
}

/** Others write a pod's status, too: kubelet above all. */
const conflictsMax = 5;
const component = "retake-coordinator";
const warnings: ReadonlySet<Joined["reason"]> = new Set(["Quarantined", "Lost"]);

/**
 * Writes to pods what the coordinator thinks of the nodes in them: a condition, and an event for
 * each change of it. What cannot be written is logged and counted; no work ever waits for it.
 */
export class PodReporter {
  readonly #options: PodReporterOptions;
  /** What was last seen of each node, as text. */
  readonly #seen = new Map<string, string>();
  /** What is to be written next, by pod: of several changes the last. */
  readonly #waiting = new Map<string, Joined>();
  readonly #writing = new Set<string>();
  readonly #failed = new Map<string, Joined>();

  constructor(options: PodReporterOptions) {
    this.#options = options;
  }

  /** Nothing is under way any more. */
  get isIdle(): boolean {
    return this.#writing.size === 0;
  }

  /** Tells of what has changed since the last time. */
  see(nodes: ReadonlyMap<string, NodeView>): void {
    for (const [nodeId, node] of nodes) {
      const joined = joinedOf(node);
      const text = JSON.stringify(joined);
      if (this.#seen.get(nodeId) === text) continue;
      this.#seen.set(nodeId, text);
      this.#push(nodeId, joined);
    }
    for (const nodeId of this.#seen.keys()) {
      if (nodes.has(nodeId)) continue;
      this.#seen.delete(nodeId);
      this.#push(nodeId, joinedOf(undefined));
    }
  }

  /** The API server answers again: what it did not take is tried once more. */
  retry(): void {
    for (const [nodeId, joined] of [...this.#failed]) this.#push(nodeId, joined);
  }

  #push(nodeId: string, joined: Joined): void {
    this.#failed.delete(nodeId);
    this.#waiting.set(nodeId, joined);
    if (!this.#writing.has(nodeId)) void this.#writeAll(nodeId);
  }

  async #writeAll(nodeId: string): Promise<void> {
    this.#writing.add(nodeId);
    for (;;) {
      const joined = this.#waiting.get(nodeId);
      this.#waiting.delete(nodeId);
      if (joined === undefined) break;
      await this.#write(nodeId, joined);
    }
    this.#writing.delete(nodeId);
  }

  async #write(nodeId: string, joined: Joined): Promise<void> {
    let pod: Pod | undefined;
    try {
      pod = await this.#writeCondition(nodeId, joined);
    } catch (thrown) {
      // A pod that is gone, and a node that is in none, have nobody to tell.
      if (fromUnknown(thrown, "pod").reason === "kubernetes-missing") return;
      this.#failed.set(nodeId, joined);
      this.#onFailed("condition", thrown);
      return;
    }
    if (pod === undefined) return;
    await this.#writeEvent(pod, joined).catch((thrown: unknown) => this.#onFailed("event", thrown));
  }

  /** @returns  the pod; undefined if it says so already, as an earlier coordinator wrote it */
  #writeCondition(nodeId: string, joined: Joined): Promise<Pod | undefined> {
    const { client, namespace, nowUnixMs } = this.#options;
    const path = `/api/v1/namespaces/${namespace}/pods/${nodeId}`;
    return untilTaken(conflictsMax, async () => {
      const pod = await client.call<Pod>({ method: "GET", path });
      const conditions = withJoined(pod, joined, timeText(nowUnixMs()));
      if (conditions === undefined) return undefined;
      const { resourceVersion } = pod.metadata;
      const body = { metadata: { resourceVersion }, status: { conditions } };
      await client.call({ method: "PATCH", path: `${path}/status`, body });
      return pod;
    });
  }

  async #writeEvent({ metadata }: Pod, { reason, message }: Joined): Promise<void> {
    const { client, namespace, coordinatorId, nowUnixMs } = this.#options;
    const { name, uid } = metadata;
    const now = timeText(nowUnixMs());
    const body = {
      ...{ apiVersion: "v1", kind: "Event", metadata: { generateName: `${name}.`, namespace } },
      involvedObject: { apiVersion: "v1", kind: "Pod", namespace, name, uid },
      ...{ type: warnings.has(reason) ? "Warning" : "Normal", reason, message, count: 1 },
      ...{ firstTimestamp: now, lastTimestamp: now, source: { component } },
      ...{ reportingComponent: component, reportingInstance: coordinatorId },
    };
    await client.call({ method: "POST", path: `/api/v1/namespaces/${namespace}/events`, body });
  }

  #onFailed(what: "condition" | "event", thrown: unknown): void {
    const { code, reason, message } = fromUnknown(thrown, `writing a pod's ${what}`);
    this.#options.logger.warn({ code, reason }, message);
    this.#options.onFailed(what);
  }
}

/** Kubernetes' times have no fractions of a second. */
const timeText = (unixMs: number): string => new Date(unixMs).toISOString().replace(/\.\d+Z$/, "Z");
