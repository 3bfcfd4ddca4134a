import type { Server } from "node:http";
import { serveMetrics } from "@retake/wire";
import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { NodeMeter } from "./node-meter.js";
import type { TaskBoard } from "./task-board.js";

/**
 * Serves `GET /metrics`: of the process, of the node's tasks, and the rates that it measured.
 *
 * @param place  host:port
 * @throws RetakeError  `unreachable` where it cannot listen
 */
export async function serveNodeMetrics(
  place: string,
  { board, meter }: { readonly board: TaskBoard; readonly meter: NodeMeter },
): Promise<Server> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
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
  return (await serveMetrics(registry, place)).server;
}
