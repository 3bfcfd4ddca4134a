import { describe, expect, it } from "vitest";
import { serveMetrics } from "./serve-metrics.js";

const registry = { contentType: "text/plain", metrics: async () => "a 1\n" };
const isReady = () => true;

describe("serveMetrics", () => {
  it("answers its three questions, and no other", async () => {
    const { server, address } = await serveMetrics({ registry, isReady }, "127.0.0.1:0");
    const found = await fetch(`http://${address}/metrics`);
    expect([found.status, await found.text()]).toEqual([200, "a 1\n"]);
    for (const path of ["/metrics", "/livez", "/readyz"]) {
      const url = `http://${address}${path}`;
      expect([path, (await fetch(url)).status]).toEqual([path, 200]);
      expect([path, (await fetch(url, { method: "POST" })).status]).toEqual([path, 404]);
    }
    expect((await fetch(`http://${address}/`)).status).toBe(404);
    await expect(serveMetrics({ registry, isReady }, address)).rejects.toMatchObject({
      reason: "unreachable",
    });
    server.close();
  });

  it("says that it failed where the registry does", async () => {
    const broken = { ...registry, metrics: () => Promise.reject(new Error("no")) };
    const { server, address } = await serveMetrics({ registry: broken, isReady }, "127.0.0.1:0");
    expect((await fetch(`http://${address}/metrics`)).status).toBe(500);
    server.close();
  });

  it("is alive whether ready or not, and ready when the process is", async () => {
    let ready = false;
    const about = { registry, isReady: () => ready };
    const { server, address } = await serveMetrics(about, "127.0.0.1:0");
    const asked = async () =>
      Promise.all(
        ["livez", "readyz"].map(async (path) => (await fetch(`http://${address}/${path}`)).status),
      );
    expect(await asked()).toEqual([200, 503]);
    ready = true;
    expect(await asked()).toEqual([200, 200]);
    server.close();
  });
});
