import { describe, expect, it } from "vitest";
import { probeEngine } from "./probe-engine.js";

describe("probeEngine", () => {
  it.each(["onnx-cpu", "tfjs"] as const)("finds that %s works", async (name) => {
    const status = await probeEngine(name);
    expect(status).toEqual({ works: true, numericsId: expect.any(String) });
  });
});
