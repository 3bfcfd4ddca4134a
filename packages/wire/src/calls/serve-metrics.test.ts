import { describe, expect, it } from "vitest";
import { serveMetrics } from "./serve-metrics.js";

const registry = { contentType: "text/plain", metrics: async () => "a 1\n" };

describe("serveMetrics", () => {
  it("answers one question, and no other", async () => {
    const { server, address } = await serveMetrics(registry, "127.0.0.1:0");
    const found = await fetch(`http://${address}/metrics`);
    expect([found.status, await found.text()]).toEqual([200, "a 1\n"]);
    expect((await fetch(`http://${address}/`)).status).toBe(404);
    expect((await fetch(`http://${address}/metrics`, { method: "POST" })).status).toBe(404);
    await expect(serveMetrics(registry, address)).rejects.toMatchObject({ reason: "unreachable" });
    server.close();
  });

  it("says that it failed where the registry does", async () => {
    const broken = { ...registry, metrics: () => Promise.reject(new Error("no")) };
    const { server, address } = await serveMetrics(broken, "127.0.0.1:0");
    expect((await fetch(`http://${address}/metrics`)).status).toBe(500);
    server.close();
  });
});
