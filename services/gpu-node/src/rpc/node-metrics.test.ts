import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { NodeMeter } from "./node-meter.js";
import { createCallCounters, serveNodeMetrics } from "./node-metrics.js";
import { TaskBoard } from "./task-board.js";

describe("serveNodeMetrics", () => {
  it("tells what the node does now, and nothing else", async () => {
    const board = new TaskBoard(() => {});
    const meter = new NodeMeter(() => 0);
    meter.onRoundTrip(2_000);
    const calls = createCallCounters();
    calls.refused.inc({ service: "/retake.v1.NodeService", caller: "client" });
    calls.failed.inc({ method: "NodeService.Tune", reason: "bad-message" });
    const about = { board, meter, calls, expiresAtMs: () => 9_000, isReady: () => false };
    const server = await serveNodeMetrics("127.0.0.1:0", about);
    const { port } = Object(server.address());
    board.seeEpoch(7);
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
    const text = await answer.text();
    expect(text).toContain("retake_node_epoch 7");
    expect(text).toContain("retake_node_tasks 0");
    expect(text).toContain("retake_node_certificate_expires_seconds 9");
    expect(text).toMatch(/retake_node_calls_refused_total\{.*caller="client"\} 1/);
    expect(text).toMatch(/retake_node_calls_failed_total\{.*reason="bad-message"\} 1/);
    expect(text).toContain("retake_node_round_trip_seconds 2");
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404);
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(503);
    const taken = serveNodeMetrics(`127.0.0.1:${port}`, about);
    await expect(taken).rejects.toMatchObject({ reason: "unreachable" });
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  });
});
