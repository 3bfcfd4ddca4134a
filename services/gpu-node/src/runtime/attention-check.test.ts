import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { attentionModel, checkAttention, checkedHeadChannels } from "./attention-check.js";
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

const [small] = checkedHeadChannels;

describe("checkAttention", () => {
  it.each(checkedHeadChannels)("finds the CPU's attention right, %s channels a head", async (n) => {
    for (const attention of ["fused", "plain"] as const) {
      const model = attentionModel(n, { target: "gpu", attention });
      const finding = await checkAttention(n, (inputs) => onCpu(model, inputs));
      expect(finding.error).toBeLessThan(5e-6);
      expect(finding.isRight).toBe(true);
    }
  });

  it("accepts the precision of TF32, and refuses what is off by a percent", async () => {
    const model = attentionModel(small, { target: "cpu", attention: "fused" });
    const off = (factor: number) =>
      checkAttention(small, async (inputs) => (await onCpu(model, inputs)).map((x) => x * factor));
    expect((await off(1.001)).isRight).toBe(true);
    expect((await off(1.01)).isRight).toBe(false);
  });

  it("refuses numbers that are none, and too few of them", async () => {
    const nan = new Float32Array(10_000).fill(Number.NaN);
    expect((await checkAttention(small, async () => nan)).isRight).toBe(false);
    expect((await checkAttention(small, async () => new Float32Array(3))).isRight).toBe(false);
  });
});
