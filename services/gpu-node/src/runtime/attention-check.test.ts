import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { attentionModel, checkAttention } from "./attention-check.js";
import type { HostTensors } from "./engine.js";
import { sessionOptions, weightless } from "./onnx-session.js";

/** Runs a model on ONNX Runtime's CPU kernels. */
async function onCpu(model: Uint8Array, inputs: HostTensors): Promise<Float32Array> {
  const options = sessionOptions("onnx-cpu", { threads: 1 }, weightless);
  const session = await ort.InferenceSession.create(model, options);
  const feeds = Object.entries(inputs).map(
    ([name, { data, shape }]) => [name, new ort.Tensor("float32", data, shape)] as const,
  );
  const data = (await session.run(Object.fromEntries(feeds)))["out"]?.data;
  await session.release();
  if (!(data instanceof Float32Array)) throw new Error("expected float32");
  return data;
}

describe("checkAttention", () => {
  it.each(["fused", "plain"] as const)("finds the CPU's %s attention right", async (attention) => {
    const model = attentionModel({ target: "gpu", attention });
    const finding = await checkAttention((inputs) => onCpu(model, inputs));
    expect(finding.error).toBeLessThan(1e-6);
    expect(finding.isRight).toBe(true);
  });

  it("accepts the precision of TF32, and refuses what is off by a percent", async () => {
    const model = attentionModel({ target: "cpu", attention: "fused" });
    const off = (factor: number) =>
      checkAttention(async (inputs) => (await onCpu(model, inputs)).map((x) => x * factor));
    expect((await off(1.001)).isRight).toBe(true);
    expect((await off(1.01)).isRight).toBe(false);
  });

  it("refuses numbers that are none, and too few of them", async () => {
    const nan = await checkAttention(async () => new Float32Array(48 * 16).fill(Number.NaN));
    expect(nan.isRight).toBe(false);
    expect((await checkAttention(async () => new Float32Array(3))).isRight).toBe(false);
  });
});
