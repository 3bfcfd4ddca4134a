import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { traceProgram } from "../record/trace.js";
import { type DecodedModel, decodeOnnx } from "../testing/decode-onnx.js";
import { SmallGraph } from "../testing/small-graph.js";
import { smallProgram } from "../testing/small-program.js";
import { lowerToOnnx } from "./lower-to-onnx.js";
import type { LoweringOptions } from "./lowering.js";

const weights = (name: string) => ({ location: `${name}.safetensors`, offset: 1000 });
const onCpu: LoweringOptions = { target: "cpu", weights };

type Shapes = Readonly<Record<string, readonly number[]>>;
type Call = Parameters<typeof smallProgram>[1];

function lowered(inputs: Shapes, stored: Shapes, call: Call): DecodedModel {
  const graph = traceProgram(smallProgram({ inputs, weights: stored }, call));
  return decodeOnnx(lowerToOnnx(graph, onCpu));
}

const nodesOf = ({ graph }: DecodedModel): string[] =>
  graph.node.map(({ opType, input, output }) => `${output} = ${opType}(${input})`);
const attributesOf = ({ graph }: DecodedModel, at = 0): Record<string, unknown> =>
  Object.fromEntries(
    (graph.node[at]?.attribute ?? []).map(({ name, type, f, i, ints }) => [
      name,
      type === 1 ? f : type === 2 ? i : ints,
    ]),
  );

describe("lowerToOnnx", () => {
  it("names inputs and outputs as the program does", () => {
    const model = lowered({ x: [2] }, {}, ({ input }) => ({ y: tf.exp(input("x")) }));
    expect(model.graph.input.map(({ name }) => name)).toEqual(["x"]);
    expect(model.graph.output.map(({ name }) => name)).toEqual(["y"]);
    expect(nodesOf(model)).toEqual(["y = Exp(x)"]);
    expect(model.opsetImport).toEqual([
      { domain: "", version: "18" },
      { domain: "com.microsoft", version: "1" },
    ]);
  });

  it("leaves weights in their file, and cuts parts of them by their offset", () => {
    const model = lowered({ x: [2] }, { w: [3, 2] }, ({ input, weight }) => ({
      y: tf.mul(tf.add(input("x"), weight("w")), tf.slice(weight("w"), [1, 0], [2, 2]).sum()),
    }));
    const stored = model.graph.initializer.filter(({ externalData }) => externalData.length > 0);
    const places = stored.map(({ dims, externalData }) => ({
      dims: dims.map(Number),
      ...Object.fromEntries(externalData.map(({ key, value }) => [key, value])),
    }));
    expect(places).toEqual([
      { dims: [3, 2], location: "w.safetensors", offset: "1000", length: "24" },
      { dims: [2, 2], location: "w.safetensors", offset: "1008", length: "16" },
    ]);
    expect(stored.every(({ rawData }) => rawData === "")).toBe(true);
  });

  it("stores a weight, a number and a shape once, however many nodes read them", () => {
    const model = lowered({ x: [2, 2], z: [2, 2] }, { w: [2, 2] }, ({ input, weight }) => {
      const [x, z] = [input("x"), input("z")];
      const scaled = tf.add(tf.mul(tf.mul(x, weight("w")), 3), tf.mul(tf.mul(z, weight("w")), 3));
      return { a: tf.reshape(scaled, [4]), b: tf.reshape(tf.exp(scaled), [4]) };
    });
    const names = model.graph.initializer.map(({ name }) => name);
    expect(names).toEqual(["w+0[2,2]", "k0", "k1"]);
  });

  it("makes shapes inputs with a default where they are to be hidden", () => {
    const program = smallProgram({ inputs: { x: [2, 2] }, weights: {} }, ({ input }) => ({
      y: tf.exp(tf.mul(tf.reshape(input("x"), [4, 1]), 3)),
      z: tf.sum(input("x"), 0),
    }));
    const graph = traceProgram(program);
    const inputsOf = (options: LoweringOptions): readonly string[] =>
      decodeOnnx(lowerToOnnx(graph, options)).graph.input.map(({ name }) => name);
    expect(inputsOf(onCpu)).toEqual(["x"]);
    const hidden = decodeOnnx(lowerToOnnx(graph, { ...onCpu, hidesShapes: true })).graph;
    const shapes = hidden.initializer.filter(({ dataType }) => dataType === 7);
    expect(shapes.length).toBeGreaterThan(0);
    expect(hidden.input.map(({ name }) => name)).toEqual(["x", ...shapes.map((s) => s.name)]);
    const ranks = hidden.input.map(({ type }) => type?.tensorType?.shape?.dim.length);
    expect(ranks).toEqual([2, ...shapes.map(() => undefined)]);
  });

  it("copies an output that is an input, a weight, a constant or another output", () => {
    const model = lowered({ x: [2] }, { w: [2] }, ({ input, weight }) => {
      const y = tf.exp(input("x"));
      return { same: input("x"), stored: weight("w"), one: tf.ones([2]), y, again: tf.add(y, 0) };
    });
    expect(nodesOf(model)).toEqual([
      "y = Exp(x)",
      "same = Identity(x)",
      "stored = Identity(w+0[2])",
      "one = Identity(k0)",
      "again = Identity(y)",
    ]);
  });

  it("stores a number that is repeated a few times, and expands one that is many times", () => {
    const ones = (count: number): string[] =>
      nodesOf(
        lowered({ x: [1] }, {}, ({ input }) => ({
          y: tf.concat([input("x"), tf.ones([count]), tf.ones([count])]),
        })),
      );
    expect(ones(2 ** 12)).toEqual(["y = Concat(x,k0,k0)"]);
    expect(ones(2 ** 12 + 1)).toEqual(["n0 = Expand(k0,k1)", "y = Concat(x,n0,n0)"]);
  });

  it("reads an input by its own name where it is an output too", () => {
    const model = lowered({ x: [2] }, {}, ({ input }) => ({
      same: input("x"),
      y: tf.exp(input("x")),
    }));
    expect(nodesOf(model)).toEqual(["y = Exp(x)", "same = Identity(x)"]);
  });

  it("gives every value one name, and reads only what was computed before", () => {
    const model = lowered({ x: [2, 3] }, { w: [3, 3] }, ({ input, weight }) => {
      const rows = tf.softmax(tf.matMul(input("x"), weight("w"), false, true));
      return { y: tf.sum(tf.mul(rows, tf.transpose(tf.reshape(rows, [3, 2]))), 1) };
    });
    const { input, initializer, node, output } = model.graph;
    const known = new Set([...input, ...initializer].map(({ name }) => name));
    for (const { input: read, output: written, name } of node) {
      for (const one of read) expect(known.has(one), `${name} reads ${one}`).toBe(true);
      for (const one of written) {
        expect(known.has(one), `${one} is written twice`).toBe(false);
        known.add(one);
      }
    }
    expect(output.every(({ name }) => known.has(name))).toBe(true);
    expect(new Set(node.map(({ name }) => name)).size).toBe(node.length);
  });

  it("writes numbers of constants as they are stored: little-endian float32", () => {
    const model = lowered({ x: [2] }, {}, ({ input }) => ({
      y: tf.add(input("x"), tf.tensor1d([1, -2])),
    }));
    const bytes = Buffer.from(model.graph.initializer[0]?.rawData ?? "", "base64");
    expect([bytes.readFloatLE(0), bytes.readFloatLE(4)]).toEqual([1, -2]);
  });

  it("makes products of matrices Gemm with the factor in it, and of batches FusedMatMul", () => {
    const flat = lowered({ x: [2, 3] }, {}, ({ input }) => ({
      y: tf.mul(tf.matMul(input("x"), input("x"), false, true), 0.5),
    }));
    expect(nodesOf(flat)).toEqual(["y = Gemm(x,x)"]);
    expect(attributesOf(flat)).toEqual({ transA: "0", transB: "1", alpha: 0.5 });
    const batch: Call = ({ input }) => ({
      y: tf.mul(tf.matMul(input("x"), input("x"), true, false), 0.5),
    });
    const onTheCpu = lowered({ x: [2, 2, 3] }, {}, batch);
    expect(nodesOf(onTheCpu)).toEqual(["y = FusedMatMul(x,x)"]);
    expect(attributesOf(onTheCpu)).toEqual({ transA: "1", transB: "0", alpha: 0.5 });
    const graph = traceProgram(smallProgram({ inputs: { x: [2, 2, 3] } }, batch));
    const onGpu = decodeOnnx(lowerToOnnx(graph, { target: "gpu", weights }));
    expect(nodesOf(onGpu)).toEqual(["n0 = Transpose(x)", "n1 = Mul(n0,k0)", "y = MatMul(n1,x)"]);
    expect(attributesOf(onGpu)).toEqual({ perm: ["0", "2", "1"] });
  });

  it("adds what a convolution gives unfused on the CPU, and everything else as it stands", () => {
    const shape = [2, 4, 3, 3];
    const added = (other: readonly number[], operation: string, on = onCpu): string[] => {
      const small = new SmallGraph();
      const [x, w] = [small.input("x", shape), small.weight("w", [4, 4, 1, 1])];
      const attributes = { stride: 1, pads: [0, 0, 0, 0] };
      const inputs = operation === "Exp" ? [x] : [x, w, small.weight("b", [4])];
      const maps = small.node(operation, inputs, { attributes, shape });
      const y = small.node("Add", [maps, small.input("z", other)], { shape });
      return nodesOf(decodeOnnx(lowerToOnnx(small.graph({ y }), on))).slice(1);
    };
    expect(added(shape, "Convolution")).toEqual([
      ...["n1 = Reshape(v3,k0)", "n2 = Reshape(z,k0)", "n3 = Add(n1,n2)", "y = Reshape(n3,k1)"],
    ]);
    expect(added([1, 4, 1, 1], "Convolution")).toEqual(["y = Add(v3,z)"]);
    expect(added(shape, "Exp")).toEqual(["y = Add(v2,z)"]);
    expect(added(shape, "Convolution", { target: "gpu", weights })).toEqual(["y = Add(v3,z)"]);
  });

  it("cuts only the axes that a slice cuts", () => {
    const model = lowered({ x: [2, 3, 4] }, {}, ({ input }) => ({
      y: tf.slice(input("x"), [0, 1, 2], [2, 1, 2]),
    }));
    const [slice] = model.graph.node;
    const numbers = (slice?.input.slice(1) ?? []).map((name) => {
      const found = model.graph.initializer.find((tensor) => tensor.name === name);
      const bytes = Buffer.from(found?.rawData ?? "", "base64");
      return [...new BigInt64Array(Uint8Array.from(bytes).buffer)].map(Number);
    });
    expect(numbers).toEqual([
      [1, 2],
      [2, 4],
      [1, 2],
    ]);
  });

  it("says which operation it cannot lower", () => {
    const small = new SmallGraph();
    const graph = small.graph({ y: small.node("Frobnicate", [small.input("x")]) });
    expect(() => lowerToOnnx(graph, onCpu)).toThrow("no lowering of Frobnicate");
  });

  it("pads the gradient of a strided convolution where no window began", () => {
    const small = new SmallGraph();
    const inputs = [small.input("dy", [1, 8, 3, 3]), small.weight("w", [8, 4, 3, 3])];
    const attributes = { stride: 2, pads: [0, 1, 1, 2] };
    const shape = [1, 4, 6, 5];
    const y = small.node("ConvolutionInputGradient", inputs, { shape, attributes });
    const model = decodeOnnx(lowerToOnnx(small.graph({ y }), onCpu));
    expect(attributesOf(model)["output_padding"]).toEqual(["0", "1"]);
    expect(attributesOf(model)["pads"]).toEqual(["0", "1", "1", "2"]);
  });

  it("takes the gradient of a convolution's input by flipped kernels that may be copied", () => {
    const operators = (terms: { stride: number; isFrozen: boolean; kernel: number }): string[] => {
      const small = new SmallGraph();
      const shape = [8, 4, terms.kernel, terms.kernel];
      const weight = terms.isFrozen ? small.weight("w", shape) : small.input("w", shape);
      const pad = (terms.kernel - 1) / 2;
      const attributes = { stride: terms.stride, pads: [pad, pad, pad, pad] };
      const inputs = [small.input("dy", [1, 8, 5, 5]), weight];
      const side = 4 * terms.stride + 1;
      const read = { shape: [1, 4, side, side], attributes };
      const y = small.node("ConvolutionInputGradient", inputs, read);
      const model = lowerToOnnx(small.graph({ y }), { ...onCpu, copiesWeights: true });
      return decodeOnnx(model).graph.node.map(({ opType }) => opType);
    };
    const flipped = { stride: 1, isFrozen: true, kernel: 3 };
    expect(operators(flipped)).toEqual(["Transpose", "Slice", "Conv"]);
    expect(operators({ ...flipped, kernel: 1 })).toEqual(["Transpose", "Conv"]);
    expect(operators({ ...flipped, stride: 2 })).toEqual(["ConvTranspose"]);
    expect(operators({ ...flipped, isFrozen: false })).toEqual(["ConvTranspose"]);
  });

  it("makes tiles by convolutions whose kernels are stored once, whatever they tile", () => {
    const small = new SmallGraph();
    const [weight, bias] = [small.weight("w", [3, 3, 3, 3]), small.weight("b", [3])];
    let map = small.input("x", [2, 3, 8, 6]);
    for (let layer = 0; layer < 2; layer += 1) {
      const shape = [2, 16, 3, 12];
      const kernels = small.node("TileWeights", [weight], { shape: [1, 16, 3, 3] });
      const tiled = small.node("TileInput", [map], { shape });
      const attributes = { transposeA: false, transposeB: false, factor: 1 };
      const product = small.node("MatMul", [kernels, tiled], { shape, attributes });
      map = small.node("TileOutput", [product, bias], { shape: [2, 3, 8, 6] });
    }
    const { graph } = decodeOnnx(lowerToOnnx(small.graph({ map }), onCpu));
    const operators = [
      ...["Reshape", "Gemm", "Reshape", "Reshape", "Conv", "Reshape", "FusedMatMul"],
      ...["Reshape", "Conv", "Reshape", "DepthToSpace", "Reshape", "Add"],
    ];
    expect(graph.node.map(({ opType }) => opType)).toEqual([...operators, ...operators]);
    const kernels = graph.initializer.filter(({ dataType, rawData }) => dataType === 1 && rawData);
    expect(kernels.map(({ dims }) => dims.map(Number))).toEqual([
      [16, 9],
      [16, 1, 1, 4, 4],
      [4, 16, 1],
    ]);
  });

  it("takes attention in parts on the CPU, where heads are narrow and the context is short", () => {
    const operators = (contextTokens: number, headChannels: number, on = onCpu): string[] => {
      const of = new SmallGraph();
      const inputs = [16, contextTokens, contextTokens].map((tokens, i) =>
        of.input(`x${i}`, [2, tokens, 2 * headChannels]),
      );
      const y = of.node("Attention", inputs, { attributes: { heads: 2 } });
      const graph = of.graph({ y });
      return decodeOnnx(lowerToOnnx(graph, on)).graph.node.map(({ opType }) => opType);
    };
    const split = ["Reshape", "Transpose"];
    const parts = [
      ...[...split, ...split, "FusedMatMul", "Softmax", ...split, "FusedMatMul"],
      ...["Transpose", "Reshape"],
    ];
    expect(operators(128, 8)).toEqual(parts);
    expect(operators(129, 8)).toEqual(["MultiHeadAttention"]);
    expect(operators(128, 9)).toEqual(["MultiHeadAttention"]);
    expect(operators(128, 8, { ...onCpu, target: "gpu" })).toEqual(["MultiHeadAttention"]);
  });

  it("names nodes by the module that recorded them", () => {
    const graph = traceProgram(
      smallProgram({ inputs: { x: [2] } }, ({ input }) => ({ y: tf.exp(input("x")) })),
    );
    const [node] = graph.nodes;
    if (node === undefined) throw new Error("expected a node");
    const named = { ...graph, nodes: [{ ...node, path: "down_blocks.0" }] };
    const [first] = decodeOnnx(lowerToOnnx(named, onCpu)).graph.node;
    expect(first?.name).toBe("down_blocks.0/Exp_0");
  });
});
