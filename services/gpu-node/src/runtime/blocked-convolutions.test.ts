import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lowerToOnnx } from "@retake/compile";
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { blocksBackwardPass, withBlockedConvolutions } from "./blocked-convolutions.js";
import { twiceComputed } from "./testing/convolution-graph.js";

describe("withBlockedConvolutions", () => {
  it.runIf(process.arch === "x64")("blocks convolutions, and fuses nothing", async () => {
    const folder = mkdtempSync(join(tmpdir(), "retake-blocked-"));
    const model = lowerToOnnx(twiceComputed(), {
      target: "cpu",
      weights: (name) => {
        throw new Error(`there is no ${name}`);
      },
    });
    const optimized = async (options: ort.InferenceSession.SessionOptions): Promise<string> => {
      const path = join(folder, "optimized.onnx");
      const silent = { ...options, optimizedModelFilePath: path, logSeverityLevel: 4 } as const;
      await (await ort.InferenceSession.create(model, silent)).release();
      return readFileSync(path, "latin1");
    };
    const everything = await optimized({ graphOptimizationLevel: "all" });
    const blocked = await optimized(withBlockedConvolutions({ extra: { session: {} } }));
    rmSync(folder, { recursive: true });
    const exponentials = (text: string): number => text.match(/\/Exp_\d/g)?.length ?? 0;
    expect(exponentials(everything)).toBe(1);
    expect(exponentials(blocked)).toBe(2);
    expect(blocked).toContain("com.microsoft.nchwc");
    expect(blocked).toContain("ReorderInput");
  });

  it("keeps the other options", () => {
    const session = { disable_prepacking: "0" };
    const options = withBlockedConvolutions({ intraOpNumThreads: 3, extra: { session } });
    expect(options).toMatchObject({ intraOpNumThreads: 3, graphOptimizationLevel: "all" });
    expect(options.extra).toMatchObject({ session });
  });
});

describe("blocksBackwardPass", () => {
  const [tiny, large] = [{ weightBytes: 2 ** 20 }, { weightBytes: 2 ** 30 }];

  it("blocks backward passes of tiny networks on the CPU, and nothing else", () => {
    expect(blocksBackwardPass("onnx-cpu", { ...tiny, isForward: false })).toBe(true);
    expect(blocksBackwardPass("onnx-cpu", { ...tiny, isForward: true })).toBe(false);
    expect(blocksBackwardPass("onnx-cpu", { ...large, isForward: false })).toBe(false);
    expect(blocksBackwardPass("onnx-cuda", { ...tiny, isForward: false })).toBe(false);
  });
});
