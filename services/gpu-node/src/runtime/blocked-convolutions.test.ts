import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Graph, type GraphNode, type GraphValue, lowerToOnnx } from "@retake/compile";
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { blocksBackwardPass, withBlockedConvolutions } from "./blocked-convolutions.js";

const channels = 16;
const maps = [1, channels, 4, 4];

/** A convolution, and the same exponential of it twice. */
function twiceComputed(): Graph {
  const kernel = [channels, channels, 3, 3];
  const data = new Float32Array(channels * channels * 9).map((_, i) => Math.sin(i));
  const values: GraphValue[] = [
    { id: 0, shape: maps, type: "float32", origin: { kind: "input", name: "x" } },
    { id: 1, shape: kernel, type: "float32", origin: { kind: "constant", data } },
    { id: 2, shape: [channels], type: "float32", origin: { kind: "fill", value: 0 } },
  ];
  const nodes: GraphNode[] = [];
  const add = (operation: string, inputs: readonly number[], attributes = {}): number => {
    const id = values.length;
    const place = { path: "", segment: "", backward: true };
    const node = { operation, inputs, outputs: [id], attributes, ...place };
    nodes.push(node);
    values.push({ id, shape: maps, type: "float32", origin: { kind: "node", node } });
    return id;
  };
  const y = add("Convolution", [0, 1, 2], { stride: 1, pads: [1, 1, 1, 1] });
  const product = add("Mul", [add("Exp", [y]), add("Exp", [y])]);
  const inputs = values.filter(({ origin }) => origin.kind === "input");
  return { nodes, values, inputs, outputs: [{ name: "y", value: product }] };
}

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
