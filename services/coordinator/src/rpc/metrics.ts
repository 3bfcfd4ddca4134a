import type { Refusal } from "@retake/wire/tls";
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { CoordinatorEvent } from "../job/events.js";
import type { Decision } from "../job/turn.js";
import type { NodeDiscovery } from "../loop/node-discovery.js";
import type { Reign } from "../loop/reign.js";
import { createJobMetrics } from "./job-metrics.js";

/** What a coordinator counts and shows. */
export interface Metrics {
  readonly registry: Registry;
  readonly onDecision: (event: CoordinatorEvent, decision: Decision) => void;
  /** Of callers whose certificate is not of the right role. */
  readonly onRefused: (refusal: Refusal) => void;
  /** Of a method that answers with an error. */
  readonly onCallFailed: (method: string, about: { readonly reason: string }) => void;
  /** Of what is told to pods of Kubernetes. */
  readonly onPodWriteFailed: (what: "condition" | "event" | "label") => void;
}

/** @param reign  the one under way, if any: its gauges are read when somebody asks */
export function createMetrics(
  reign: () => Reign | undefined,
  about: {
    readonly version: string;
    readonly nowUnixMs: () => number;
    /** Of the certificate; undefined without one. */
    readonly expiresAtMs: () => number | undefined;
    readonly discovery: NodeDiscovery;
  },
): Metrics {
  const { version, nowUnixMs, expiresAtMs, discovery } = about;
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const events = new Counter({
    ...{ name: "retake_events_total", help: "Events that were decided on", registers },
    labelNames: ["kind"],
  });
  const refused = new Counter({
    ...{ name: "retake_events_refused_total", help: "Events that were refused", registers },
    labelNames: ["reason"],
  });
  const { calls, callsFailed, podWrites } = outside(registers);
  const effects = new Counter({
    ...{ name: "retake_effects_total", help: "What was decided to be done", registers },
    labelNames: ["kind"],
  });
  byState(registers, { reign, discovery });
  single(registers, { reign, expiresAtMs });
  new Gauge({
    ...{ name: "retake_build_info", help: "The release that runs", registers },
    labelNames: ["version"],
  }).set({ version }, 1);
  const onJobDecision = createJobMetrics(registry, reign, nowUnixMs);
  return {
    registry,
    onCallFailed: (method, { reason }) => callsFailed.inc({ method, reason }),
    onPodWriteFailed: (what) => podWrites.inc({ what }),
    onRefused: ({ service, caller }) => calls.inc({ service, caller }),
    onDecision: (event, decision) => {
      const { kind } = event;
      events.inc({ kind });
      onJobDecision(event, decision);
      if (decision.refusal !== null) refused.inc({ reason: decision.refusal.reason });
      for (const effect of decision.effects) effects.inc({ kind: effect.kind });
    },
  };
}

/** What there is, by the state that it is in. */
function byState(
  registers: Registry[],
  {
    reign,
    discovery,
  }: { readonly reign: () => Reign | undefined; readonly discovery: NodeDiscovery },
): void {
  const gauge = (name: string, help: string, values: (reign: Reign) => Map<string, number>) =>
    new Gauge({
      ...{ name, help, labelNames: ["state"], registers },
      collect() {
        this.reset();
        const now = reign();
        for (const [state, count] of now ? values(now) : []) this.set({ state }, count);
      },
    });
  gauge("retake_edits", "Edits by state", ({ state }) =>
    counted([...state.edits.values()].map(({ record }) => record.state)),
  );
  gauge("retake_nodes", "Nodes by state", ({ state }) =>
    counted([...state.nodes.values()].map((node) => node.state)),
  );
  gauge("retake_tasks", "Tasks under way by kind", ({ state }) =>
    counted(
      [...state.edits.values()].flatMap(({ record }) => record.tasks.map(({ kind }) => kind)),
    ),
  );
  gauge("retake_node_pods", "Pods of nodes, by whether they have joined", ({ state }) =>
    counted(
      discovery.places().map(({ nodeId }) => (state.nodes.has(nodeId) ? "joined" : "absent")),
    ),
  );
}

/** What others would not take, or should not have asked. */
function outside(registers: Registry[]) {
  return {
    calls: new Counter({
      ...{ name: "retake_calls_refused_total", help: "Calls without the right role", registers },
      labelNames: ["service", "caller"],
    }),
    callsFailed: new Counter({
      ...{ name: "retake_calls_failed_total", help: "Calls that were answered with an error" },
      ...{ labelNames: ["method", "reason"], registers },
    }),
    podWrites: new Counter({
      ...{ name: "retake_pod_writes_failed_total", help: "What pods could not be told", registers },
      labelNames: ["what"],
    }),
  };
}

function single(
  registers: Registry[],
  {
    reign,
    expiresAtMs,
  }: {
    readonly reign: () => Reign | undefined;
    readonly expiresAtMs: () => number | undefined;
  },
): void {
  new Gauge({
    ...{ name: "retake_certificate_expires_seconds", registers },
    help: "Unix time when the certificate in use runs out; 0 without one",
    collect() {
      this.set((expiresAtMs() ?? 0) / 1000);
    },
  });
  new Gauge({
    ...{ name: "retake_epoch", help: "Of this coordinator; 0 while another leads", registers },
    collect() {
      this.set(reign()?.epoch ?? 0);
    },
  });
  new Gauge({
    ...{ name: "retake_effects_waiting", help: "What waits for the store", registers },
    collect() {
      this.set(reign()?.effectsWaiting ?? 0);
    },
  });
}

function counted(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}
