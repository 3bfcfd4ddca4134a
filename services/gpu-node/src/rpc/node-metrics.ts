import type { Server } from "node:http";
import { serveMetrics } from "@retake/wire";
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { NodeMeter } from "./node-meter.js";
import type { TaskBoard } from "./task-board.js";

export interface CallCounters {
  /** For the caller's role. */
  readonly refused: Counter<"service" | "caller">;
  /** Answered with an error. */
  readonly failed: Counter<"method" | "reason">;
}

/** Counts calls that did not do what was asked. */
export const createCallCounters = (): CallCounters => ({
  refused: new Counter({
    ...{ name: "retake_node_calls_refused_total", help: "Calls without the right role" },
    ...{ labelNames: ["service", "caller"], registers: [] },
  }),
  failed: new Counter({
    ...{ name: "retake_node_calls_failed_total", help: "Calls that were answered with an error" },
    ...{ labelNames: ["method", "reason"], registers: [] },
  }),
});

export interface NodeMeasures {
  readonly board: TaskBoard;
  readonly meter: NodeMeter;
  readonly calls: CallCounters;
  /** Of the certificate; undefined without one. */
  readonly expiresAtMs: () => number | undefined;
  /** Whether it does not drain. */
  readonly isReady: () => boolean;
}

/**
 * Serves `GET /metrics`: of the process, of the node's tasks, and the rates that it measured; and
 * `/livez` and `/readyz`.
 *
 * @param place  host:port
 * @throws RetakeError  `unreachable` where it cannot listen
 */
export async function serveNodeMetrics(
  place: string,
  { board, meter, calls, expiresAtMs, isReady }: NodeMeasures,
): Promise<Server> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const counter of Object.values(calls)) registry.registerMetric(counter);
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      ...{ name, help, registers: [registry] },
      collect() {
        this.set(value());
      },
    });
  gauge("retake_node_tasks", "Tasks that run or wait", () => board.tasks.length);
  gauge("retake_node_epoch", "The highest of a coordinator that was seen", () => board.epoch);
  gauge("retake_node_flops_per_second", "As last measured", () => meter.rates.flopsPerSecond);
  gauge("retake_node_bytes_per_second", "As last measured", () => meter.rates.bytesPerSecond);
  gauge(
    "retake_node_round_trip_seconds",
    "To the coordinator, as last measured",
    () => meter.rates.roundTripMs / 1000,
  );
  gauge(
    "retake_node_certificate_expires_seconds",
    "Unix time when the certificate in use runs out; 0 without one",
    () => (expiresAtMs() ?? 0) / 1000,
  );
  return (await serveMetrics({ registry, isReady }, place)).server;
}
