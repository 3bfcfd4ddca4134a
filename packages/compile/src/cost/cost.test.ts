import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { graphValue } from "../graph.js";
import { traceProgram } from "../record/trace.js";
import { SmallGraph } from "../testing/small-graph.js";
import { smallProgram } from "../testing/small-program.js";
import { cost, nodeFlops } from "./cost.js";

type Terms = Parameters<SmallGraph["node"]>[2];

/** FLOPs of one node, from the shapes that it reads. */
function flops(operation: string, shapes: readonly (readonly number[])[], terms: Terms): number {
  const small = new SmallGraph();
  const inputs = shapes.map((shape, i) => small.input(`x${i}`, shape));
  const graph = small.graph({ y: small.node(operation, inputs, terms) });
  const [node] = graph.nodes;
  return node === undefined ? Number.NaN : nodeFlops(graph, node);
}

describe("nodeFlops", () => {
  it("counts a multiplication and an addition per weight and row of a linear layer", () => {
    expect(flops("Linear", [[5, 3], [4, 3], [4]], { shape: [5, 4] })).toBe(2 * 5 * 3 * 4);
  });

  it("counts a product by its inner size, whichever side is transposed", () => {
    const shape = [2, 5, 4];
    expect(
      flops(
        "MatMul",
        [
          [2, 5, 3],
          [2, 3, 4],
        ],
        { shape },
      ),
    ).toBe(2 * 2 * 5 * 3 * 4);
    const attributes = { transposeA: true };
    expect(
      flops(
        "MatMul",
        [
          [2, 3, 5],
          [2, 3, 4],
        ],
        { shape, attributes },
      ),
    ).toBe(2 * 2 * 5 * 3 * 4);
  });

  it("counts a convolution by its window, and its gradient alike", () => {
    const weight = [8, 4, 3, 3];
    const once = 2 * (8 * 6 * 6) * (4 * 9);
    expect(flops("Convolution", [[1, 4, 6, 6], weight], { shape: [1, 8, 6, 6] })).toBe(once);
    const gradient = [[1, 8, 6, 6], weight];
    expect(flops("ConvolutionInputGradient", gradient, { shape: [1, 4, 6, 6] })).toBe(once);
  });

  it("counts both products of attention: scores and what they weigh", () => {
    const [tokens, context, channels] = [5, 7, 4];
    const both = 2 * (2 * tokens * context * channels);
    const shapes = [
      [1, tokens, channels],
      [1, context, channels],
      [1, context, channels],
    ];
    expect(flops("Attention", shapes, {})).toBe(both);
  });

  it("counts one per element of what it does not know, and none of what only moves numbers", () => {
    expect(flops("Exp", [[3, 4]], {})).toBe(12);
    expect(flops("Transpose", [[3, 4]], { shape: [4, 3] })).toBe(0);
    expect(flops("ReduceSum", [[3, 4]], { shape: [3, 1] })).toBe(12);
  });
});

describe("cost", () => {
  it("adds up the nodes of a recorded program", () => {
    const program = smallProgram({ inputs: { x: [2, 3] }, weights: { w: [4, 3] } }, (given) => ({
      y: tf.exp(tf.matMul(given.input("x"), given.weight("w"), false, true)),
    }));
    const graph = traceProgram(program);
    expect(cost(graph)).toEqual({
      flops: 2 * 2 * 3 * 4 + 8,
      bytesMoved: 4 * (6 + 12 + 8 + 8 + 8),
      weightBytes: 4 * 12,
      inputBytes: 4 * 6,
      // Two values, each of one unit of the arena, and a copy of the output.
      runBytesMax: 2 * 256 + 4 * 8,
    });
    expect(graph.nodes.map((node) => graphValue(graph, node.outputs[0] ?? -1).shape)).toEqual([
      [2, 4],
      [2, 4],
    ]);
  });

  it("frees values after their last use: a chain holds two at a time", () => {
    const small = new SmallGraph();
    let at = small.input("x", [10]);
    for (let i = 0; i < 5; i += 1) at = small.node("Exp", [at]);
    expect(cost(small.graph({ at })).runBytesMax).toBe(2 * 256 + 40);
  });

  it("holds a value until its last reader, and outputs to the end", () => {
    const small = new SmallGraph();
    const first = small.node("Exp", [small.input("x", [10])]);
    let at = small.node("Exp", [first]);
    at = small.node("Exp", [at]);
    const kept = small.node("Add", [at, first]);
    expect(cost(small.graph({ kept })).runBytesMax).toBe(3 * 256 + 40);
    const end = small.node("Neg", [kept], { shape: [10] });
    expect(cost(small.graph({ first, kept, end })).runBytesMax).toBe(3 * 256 + 3 * 40);
  });

  it("takes a reshape for the same bytes, which live until the reshaped value is read", () => {
    const small = new SmallGraph();
    const first = small.node("Exp", [small.input("x", [10])]);
    const view = small.node("Reshape", [first], { shape: [2, 5] });
    const other = small.node("Exp", [small.input("z", [10])]);
    const sum = small.node("Add", [small.node("Neg", [other]), view], { shape: [2, 5] });
    const predicted = cost(small.graph({ sum }));
    expect(predicted.runBytesMax).toBe(3 * 256 + 40);
    expect(predicted.bytesMoved).toBe(40 * (2 + 2 + 2 + 3));
  });

  it("counts what the lowering reads and writes again, and what an engine reorders", () => {
    const small = new SmallGraph();
    const x = small.input("x", [1, 4, 2, 2]);
    const scaled = small.node("ScaleShift", [x, small.input("a", [1]), small.input("b", [1])]);
    expect(cost(small.graph({ scaled })).bytesMoved).toBe(4 * (16 + 1 + 1 + 16 + 2 * 16));
    const other = new SmallGraph();
    const operands = [other.input("x", [1, 4, 2, 2]), other.weight("w", [8, 4, 1, 1])];
    const y = other.node("Convolution", operands, { shape: [1, 8, 2, 2] });
    const convolved = other.graph({ y });
    const once = 4 * (16 + 32 + 32);
    expect(cost(convolved).bytesMoved).toBe(once);
    const blocked = cost(convolved, { blocksConvolutions: true });
    expect(blocked.bytesMoved).toBe(once + 2 * 4 * (16 + 32));
  });

  it("adds nothing for a reshape that is an output", () => {
    const small = new SmallGraph();
    const first = small.node("Exp", [small.input("x", [10])]);
    const view = small.node("Reshape", [first], { shape: [2, 5] });
    expect(cost(small.graph({ view })).runBytesMax).toBe(256 + 40);
  });

  it("counts each stored byte of a weight once, however it is cut and looked at", () => {
    const small = new SmallGraph();
    const upper = small.node("Neg", [small.weight("w", [2, 2])]);
    const lower = small.node("Neg", [small.weight("w", [2, 2], 4)]);
    const whole = small.node("Neg", [small.weight("w", [4, 2])]);
    const flat = small.node("Neg", [small.weight("w", [8])]);
    const part = small.node("Neg", [small.weight("v", [1, 2], 6)]);
    expect(cost(small.graph({ whole, flat, upper, lower, part })).weightBytes).toBe(4 * (8 + 2));
  });
});
