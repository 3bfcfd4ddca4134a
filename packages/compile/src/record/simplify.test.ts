import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import type { Graph } from "../graph.js";
import { graphValue } from "../graph.js";
import { evaluateGraph } from "../testing/evaluate-graph.js";
import { plainResults, smallProgram, wavesFor } from "../testing/small-program.js";
import { GraphBuilder } from "./graph-builder.js";
import { binary, concat, expand, fillOf, producer, slice, transpose, unary } from "./simplify.js";
import { traceProgram } from "./trace.js";

const operations = (graph: Graph): string[] => graph.nodes.map(({ operation }) => operation);
const valuesOf = (graph: Graph): (readonly number[])[] =>
  graph.outputs.map(({ value }) => graphValue(graph, value).shape);

/** What stands in the graph of a function of `x`, once it gives the numbers that it should. */
function recorded(
  x: readonly number[],
  call: (x: tf.Tensor, weight: (name: string) => tf.Tensor) => tf.Tensor,
  weights: Readonly<Record<string, readonly number[]>> = {},
): string[] {
  const program = smallProgram({ inputs: { x }, weights }, ({ input, weight }) => ({
    y: call(input("x"), weight),
  }));
  const graph = traceProgram(program);
  const given = wavesFor(program);
  const [expected, got] = [plainResults(program, given), evaluateGraph(graph, given)];
  expect(got["y"]?.length).toBe(expected["y"]?.length);
  for (const [i, number] of (expected["y"] ?? []).entries()) {
    expect(got["y"]?.[i]).toBeCloseTo(number, 5);
  }
  return operations(graph);
}

describe("binary", () => {
  it("leaves out what changes nothing: adding 0, multiplying by 1, dividing by 1", () => {
    for (const same of [
      (x: tf.Tensor) => tf.add(x, 0),
      (x: tf.Tensor) => tf.add(tf.scalar(0), x),
      (x: tf.Tensor) => tf.sub(x, 0),
      (x: tf.Tensor) => tf.mul(x, 1),
      (x: tf.Tensor) => tf.mul(tf.scalar(1), x),
      (x: tf.Tensor) => tf.div(x, 1),
    ]) {
      expect(recorded([2, 3], same)).toEqual([]);
    }
  });

  it("keeps what is neutral on one side only: 0 - x, 1 / x", () => {
    expect(recorded([3], (x) => tf.sub(0, x))).toEqual(["Sub"]);
    expect(recorded([3], (x) => tf.div(1, x))).toEqual(["Div"]);
  });

  it("knows that zero times a value is zero", () => {
    expect(recorded([3], (x) => tf.mul(x, 0))).toEqual([]);
  });

  it("computes functions of constants while it records", () => {
    const builder = new GraphBuilder();
    const [two, three] = [builder.fill(2, [4]), builder.fill(3, [])];
    for (const [operation, result] of Object.entries({ Add: 5, Sub: -1, Mul: 6, Div: 2 / 3 })) {
      const value = binary(builder, operation, [two, three]);
      expect(fillOf(value)).toBeCloseTo(result, 6);
      expect(value.shape).toEqual([4]);
    }
    expect(builder.finish([{ name: "y", value: two.id }]).nodes).toEqual([]);
  });

  it("expands to the joint shape where the neutral element is the larger one", () => {
    expect(recorded([1, 3], (x) => tf.mul(x, tf.ones([2, 3])))).toEqual(["Expand"]);
  });

  it("takes a value as it was before it was expanded to meet the other", () => {
    const names = recorded([2, 3], (x) => {
      const row = tf.sum(x, 0, true);
      return tf.mul(tf.mul(row, tf.ones([2, 3])), x);
    });
    expect(names).toEqual(["ReduceSum", "Mul"]);
  });

  it("gives the joint shape where both were expanded, or a constant is the larger one", () => {
    const widened = (x: tf.Tensor): tf.Tensor => tf.mul(x, tf.ones([2, 3]));
    recorded([1, 3], (x) => tf.add(widened(x), widened(tf.exp(x))));
    recorded([1, 3], (x) => tf.mul(widened(x), 2));
    recorded([1, 3], (x) => tf.mul(x, tf.fill([2, 3], 2)));
    recorded([], (x) => tf.sub(tf.fill([2], 3), x));
  });

  it("takes on a number into a product, also through reshapes and more than once", () => {
    const product = (x: tf.Tensor): tf.Tensor => tf.matMul(x, x, false, true);
    expect(recorded([2, 3], (x) => tf.mul(product(x), 3))).toEqual(["MatMul"]);
    expect(recorded([2, 3], (x) => tf.mul(2, tf.mul(product(x), 3)))).toEqual(["MatMul"]);
    const names = recorded([2, 3], (x) => tf.mul(tf.reshape(product(x), [4]), 3));
    expect(names).toEqual(["MatMul", "Reshape"]);
  });

  it("expands a scaled product where the constant is the larger one", () => {
    recorded([1, 3], (x) => tf.mul(tf.matMul(x, x, false, true), tf.fill([2, 2], 3)));
  });

  it("keeps the unscaled product for whoever else reads it", () => {
    recorded([2, 3], (x) => {
      const product = tf.matMul(x, x, false, true);
      return tf.add(tf.exp(product), tf.mul(product, 3));
    });
  });

  it("works before reshapes that both operands have behind them", () => {
    const folded = (x: tf.Tensor): tf.Tensor => tf.reshape(x, [6, 2]);
    const names = recorded([2, 3, 2], (x) =>
      tf.reshape(tf.add(folded(x), tf.exp(folded(x))), [12]),
    );
    expect(names).toEqual(["Exp", "Add", "Reshape"]);
  });

  it("works on one value per row before reshapes that keep the last axis", () => {
    const names = recorded([2, 3, 2], (x) => {
      const rows = tf.reshape(x, [6, 2]);
      return tf.reshape(tf.sub(rows, tf.mean(rows, 1, true)), [2, 3, 2]);
    });
    expect(names.filter((name) => name === "Reshape")).toEqual([]);
  });

  it("does not mix rows up where operands come from different shapes", () => {
    recorded([2, 6], (x) => {
      const [a, b] = [tf.reshape(x, [4, 3]), tf.reshape(tf.exp(tf.reshape(x, [3, 4])), [4, 3])];
      return tf.mul(a, b);
    });
    recorded([4], (x) => tf.add(tf.reshape(x, [1, 4]), tf.reshape(tf.exp(x), [4, 1])));
  });
});

describe("unary", () => {
  it("computes of a constant what it can", () => {
    const builder = new GraphBuilder();
    expect(fillOf(unary(builder, "Neg", builder.fill(4, [2])))).toBe(-4);
    expect(fillOf(unary(builder, "Sqrt", builder.fill(4, [2])))).toBe(2);
    expect(fillOf(unary(builder, "Reciprocal", builder.fill(4, [2])))).toBe(0.25);
    expect(producer(unary(builder, "Exp", builder.fill(4, [2])), "Exp")).toBeDefined();
  });

  it("goes before a reshape", () => {
    const names = recorded([2, 3], (x) => tf.reshape(tf.exp(tf.reshape(x, [6])), [3, 2]));
    expect(names).toEqual(["Exp", "Reshape"]);
  });
});

describe("reshape", () => {
  it("is one node for a chain, and none for a chain that ends where it began", () => {
    const chain = (x: tf.Tensor): tf.Tensor => tf.reshape(tf.reshape(x, [6]), [3, 2]);
    expect(recorded([2, 3], chain)).toEqual(["Reshape"]);
    expect(recorded([2, 3], (x) => tf.reshape(tf.reshape(x, [6]), [2, 3]))).toEqual([]);
  });

  it("is a view of a weight, and of a part of one", () => {
    const weights = { w: [4, 3] };
    expect(
      recorded(
        [6],
        (x, weight) => tf.add(x, tf.reshape(tf.slice(weight("w"), [2, 0], [2, 3]), [6])),
        weights,
      ),
    ).toEqual(["Add"]);
  });

  it("keeps the numbers of a constant", () => {
    expect(
      recorded([4], (x) => tf.add(x, tf.reshape(tf.tensor2d([1, 2, 3, 4], [2, 2]), [4]))),
    ).toEqual(["Add"]);
  });
});

describe("transpose", () => {
  it("is one node for a chain, and none for a chain that ends where it began", () => {
    const turned = (x: tf.Tensor): tf.Tensor => tf.transpose(x, [1, 2, 0]);
    expect(recorded([2, 3, 4], (x) => turned(turned(x)))).toEqual(["Transpose"]);
    expect(recorded([2, 3, 4], (x) => turned(turned(turned(x))))).toEqual([]);
  });

  it("joins other turns in their order", () => {
    const names = recorded([2, 3, 4], (x) => tf.transpose(tf.transpose(x, [1, 2, 0]), [1, 0, 2]));
    expect(names).toEqual(["Transpose"]);
  });

  it("is a reshape where only axes of size 1 move", () => {
    expect(recorded([2, 1, 3], (x) => tf.transpose(x, [1, 0, 2]))).toEqual(["Reshape"]);
    expect(recorded([2, 1, 3], (x) => tf.transpose(x, [2, 1, 0]))).toEqual(["Transpose"]);
  });

  it("turns a constant's shape only", () => {
    const builder = new GraphBuilder();
    const turned = transpose(builder, builder.fill(5, [2, 3]), [1, 0]);
    expect([fillOf(turned), turned.shape]).toEqual([5, [3, 2]]);
  });
});

describe("slice", () => {
  it("is a view of a weight for whole rows, and a node for parts of rows", () => {
    const weights = { w: [4, 2] };
    const rows = (x: tf.Tensor, weight: (name: string) => tf.Tensor): tf.Tensor =>
      tf.mul(x, tf.slice(weight("w"), [1, 0], [2, 2]));
    expect(recorded([2, 2], rows, weights)).toEqual(["Mul"]);
    const columns = (x: tf.Tensor, weight: (name: string) => tf.Tensor): tf.Tensor =>
      tf.mul(x, tf.slice(weight("w"), [1, 1], [2, 1]));
    expect(recorded([2, 1], columns, weights)).toEqual(["Slice", "Mul"]);
  });

  it("is a view of a view: rows are counted from where the first begins", () => {
    const builder = new GraphBuilder();
    const part = slice(builder, builder.weight("w", [6, 2]), { begin: [2, 0], size: [4, 2] });
    const inner = slice(builder, part, { begin: [1, 0], size: [2, 2] });
    expect(inner.origin).toEqual({ kind: "weight", name: "w", begin: 6 });
  });

  it("is nothing where it keeps everything, and a smaller constant of a constant", () => {
    const builder = new GraphBuilder();
    const x = builder.input("x", { shape: [2] });
    expect(slice(builder, x, { begin: [0], size: [2] })).toBe(x);
    const part = slice(builder, builder.fill(7, [4]), { begin: [1], size: [2] });
    expect([fillOf(part), part.shape]).toEqual([7, [2]]);
  });
});

describe("concat", () => {
  it("leaves out parts without elements, and is nothing for one part", () => {
    const builder = new GraphBuilder();
    const x = builder.input("x", { shape: [2, 3] });
    expect(concat(builder, [x, builder.fill(0, [0, 3])], 0)).toBe(x);
    expect(concat(builder, [x, x], 1).shape).toEqual([2, 6]);
    expect(() => concat(builder, [], 0)).toThrow(/at least one part/);
  });
});

describe("expand", () => {
  it("is nothing where the shape is there, and a larger constant of a constant", () => {
    const builder = new GraphBuilder();
    const x = builder.input("x", { shape: [2] });
    expect(expand(builder, x, [2])).toBe(x);
    expect(expand(builder, builder.fill(3, []), [2, 2]).origin).toEqual({ kind: "fill", value: 3 });
    expect(producer(expand(builder, x, [3, 2]), "Expand")?.attributes).toEqual({ shape: [3, 2] });
  });
});

describe("what is recorded", () => {
  it("has the shape that it computes", () => {
    const program = smallProgram({ inputs: { x: [2, 3] } }, ({ input }) => ({
      y: tf.sum(tf.transpose(input("x")), 1),
    }));
    expect(valuesOf(traceProgram(program))).toEqual([[3]]);
  });
});
