import { once } from "node:events";
import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { freePorts } from "./free-ports.js";

describe("freePorts", () => {
  it("gives different ports that can be listened at, below those of connections", async () => {
    const ports = await freePorts(5);
    expect(new Set(ports).size).toBe(5);
    for (const port of ports) {
      expect(port >= 20_000 && port < 32_000).toBe(true);
      const server = createServer().listen(port, "127.0.0.1");
      await once(server, "listening");
      server.close();
    }
  });

  it("passes over a port that is in use, and says so when there is no other", async () => {
    const [port = 0] = await freePorts(1);
    const server = createServer().listen(port, "127.0.0.1");
    await once(server, "listening");
    await expect(freePorts(1, { min: port, max: port + 1 })).rejects.toMatchObject({
      reason: "nats-server-failed",
      message:
        `ports: expected 1 that are free, got 0 after 200 tries from ${port} to ${port}; ` +
        "end what uses them",
    });
    server.close();
  });
});
