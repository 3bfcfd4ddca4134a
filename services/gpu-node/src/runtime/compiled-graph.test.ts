import { type Graph, type GraphNode, lowerToOnnx, tileConvolutions } from "@retake/compile";
import type { Program } from "@retake/model";
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { isTiled } from "./compiled-graph.js";
import { sessionOptions } from "./onnx-session.js";
import { noiseOf } from "./testing/small-unet.js";

const seed = Number(process.env.RETAKE_SEED ?? 33);
/** Of the largest result: sums of a thousand products, added in another order. */
const tolerance = 5e-6;

interface Sizes {
  /** A gradient is that of the input: of a convolution from `out` to `inner` channels. */
  readonly operation?: "Convolution" | "ConvolutionInputGradient";
  readonly images: number;
  readonly inner: number;
  readonly out: number;
  readonly height: number;
  readonly width: number;
}

const isGradient = ({ operation }: Sizes): boolean => operation === "ConvolutionInputGradient";

function shapesOf(sizes: Sizes) {
  const { images, inner, out, height, width } = sizes;
  const channels = isGradient(sizes) ? [inner, out] : [out, inner];
  return {
    ...{ x: [images, inner, height, width], w: [...channels, 3, 3], b: [out] },
    y: [images, out, height, width],
  };
}

function convolution(sizes: Sizes): Graph {
  const shapes = shapesOf(sizes);
  const input = (id: number, name: "x" | "w" | "b") =>
    ({ id, shape: shapes[name], type: "float32", origin: { kind: "input", name } }) as const;
  const { operation = "Convolution" } = sizes;
  const node: GraphNode = {
    ...{ operation, inputs: isGradient(sizes) ? [0, 1] : [0, 1, 2], outputs: [3] },
    ...{ path: "", segment: "" },
    ...{ attributes: { stride: 1, pads: [1, 1, 1, 1] }, backward: false },
  };
  const inputs = [input(0, "x"), input(1, "w"), input(2, "b")];
  const y = { id: 3, shape: shapes.y, type: "float32", origin: { kind: "node", node } } as const;
  return { nodes: [node], values: [...inputs, y], inputs, outputs: [{ name: "y", value: 3 }] };
}

const filled = (sizes: Sizes, name: "x" | "w" | "b"): Float32Array =>
  Float32Array.from(noiseOf(shapesOf(sizes)[name], seed + "xwb".indexOf(name)).data);

async function run(graph: Graph, sizes: Sizes, x: Float32Array): Promise<Float32Array> {
  const weights = (name: string): never => {
    throw new Error(`there is no ${name}`);
  };
  const model = lowerToOnnx(graph, { target: "cpu", hidesShapes: true, weights });
  const terms = { folder: undefined, weightBytes: 2 ** 40, isForward: true };
  const options = sessionOptions("onnx-cpu", { threads: 1 }, terms);
  const session = await ort.InferenceSession.create(model, options);
  const shapes = shapesOf(sizes);
  const { y } = await session.run({
    x: new ort.Tensor("float32", x, shapes.x),
    w: new ort.Tensor("float32", filled(sizes, "w"), shapes.w),
    b: new ort.Tensor("float32", filled(sizes, "b"), shapes.b),
  });
  await session.release();
  if (!(y?.data instanceof Float32Array)) throw new Error("expected float32");
  return y.data;
}

function tiled(sizes: Sizes): Graph {
  const graph = tileConvolutions(convolution(sizes));
  expect(graph.nodes[0]?.operation).toBe("TileWeights");
  return graph;
}

const gradient = { operation: "ConvolutionInputGradient" } as const;

/** A program of which only the size of its weights and the name of its output are known. */
function programOf(weightCount: number, output: string): Program {
  const spec = (name: string, size: number) => ({ name, shape: [size], dtype: "float32" }) as const;
  return {
    ...{ inputs: [], weights: [spec("w", weightCount)], outputs: [spec(output, 1)] },
    call: () => ({}),
  };
}

describe("isTiled", () => {
  it("holds for passes on the CPU whose weights the engine may not copy", () => {
    const copiedMax = 2 ** 26;
    const [small, large] = [copiedMax, copiedMax + 1].map((n) => programOf(n, "predictedNoise"));
    if (small === undefined || large === undefined) throw new Error("expected two programs");
    expect(isTiled(large, "onnx-cpu")).toBe(true);
    expect(isTiled(small, "onnx-cpu")).toBe(false);
    expect(isTiled(programOf(copiedMax + 1, "loss"), "onnx-cpu")).toBe(true);
    expect(isTiled(large, "onnx-webgpu")).toBe(false);
    expect(isTiled(large, "onnx-cuda")).toBe(false);
    expect(isTiled(large, "tfjs")).toBe(false);
  });
});

describe("a convolution in tiles", () => {
  it.each<Sizes>([
    { images: 3, inner: 160, out: 128, height: 8, width: 10 },
    { images: 1, inner: 128, out: 192, height: 14, width: 16 },
    { images: 2, inner: 320, out: 96, height: 32, width: 8 },
    { ...gradient, images: 3, inner: 160, out: 128, height: 8, width: 10 },
    { ...gradient, images: 1, inner: 128, out: 192, height: 14, width: 16 },
  ])("is the same, but for rounding: $operation, $images of $inner to $out", async (sizes) => {
    const x = filled(sizes, "x");
    const expected = await run(convolution(sizes), sizes, x);
    const found = await run(tiled(sizes), sizes, x);
    expect(found).toHaveLength(expected.length);
    let [largest, worst] = [0, 0];
    for (const [at, value] of expected.entries()) {
      largest = Math.max(largest, Math.abs(value));
      worst = Math.max(worst, Math.abs(value - (found[at] ?? Number.NaN)));
    }
    expect(largest).toBeGreaterThan(1);
    expect(worst, `seed ${seed}`).toBeLessThan(tolerance * largest);
  });

  it.each<Sizes>([
    { images: 5, inner: 160, out: 128, height: 8, width: 8 },
    // These are computed in parts.
    { images: 9, inner: 128, out: 128, height: 64, width: 64 },
    { ...gradient, images: 5, inner: 160, out: 128, height: 8, width: 8 },
  ])("gives a frame the same bits alone and with others: $operation, $images", async (sizes) => {
    const x = filled(sizes, "x");
    const together = await run(tiled(sizes), sizes, x);
    const one = { ...sizes, images: 1 };
    const [given, made] = [x.length / sizes.images, together.length / sizes.images];
    for (const image of [0, 1, sizes.images - 1]) {
      const alone = await run(tiled(one), one, x.slice(image * given, (image + 1) * given));
      const expected = together.subarray(image * made, (image + 1) * made);
      expect(Buffer.compare(Buffer.from(alone.buffer), Buffer.from(expected.slice().buffer))).toBe(
        0,
      );
    }
  });
});
