import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { graphValue } from "../graph.js";
import { smallProgram } from "../testing/small-program.js";
import { traceProgram } from "./trace.js";

const twice = smallProgram({ inputs: { x: [2] }, weights: { w: [2] } }, ({ input, weight }) => ({
  y: tf.mul(input("x"), weight("w")),
}));

describe("traceProgram", () => {
  // First in this file: nothing has asked TensorFlow.js for its backend yet.
  it("leaves TensorFlow.js on the backend that computes, also where none was chosen", () => {
    traceProgram(twice);
    expect(tf.getBackend()).toBe("cpu");
    expect(tf.sum(tf.tensor1d([1, 2])).dataSync()[0]).toBe(3);
  });

  it("gives the program's inputs, outputs and what lies between", () => {
    const { inputs, outputs, nodes, ...graph } = traceProgram(twice);
    expect(inputs.map(({ origin, shape, type }) => ({ origin, shape, type }))).toEqual([
      { origin: { kind: "input", name: "x" }, shape: [2], type: "float32" },
    ]);
    expect(outputs.map(({ name }) => name)).toEqual(["y"]);
    expect(nodes.map(({ operation }) => operation)).toEqual(["Mul"]);
    const [x, w] = nodes[0]?.inputs ?? [];
    expect(x).toBe(inputs[0]?.id);
    expect(graphValue(graph, w ?? -1).origin).toEqual({ kind: "weight", name: "w", begin: 0 });
  });

  it("keeps inputs that nothing reads, since whoever runs the program gives them", () => {
    const program = smallProgram({ inputs: { x: [2], unused: [3] } }, ({ input }) => ({
      y: tf.exp(input("x")),
    }));
    expect(traceProgram(program).inputs).toHaveLength(2);
  });

  it("refuses a program that reads what it does not declare", () => {
    const call = (name: string) =>
      smallProgram({}, ({ input, weight }) => ({ y: name === "x" ? input(name) : weight(name) }));
    expect(() => traceProgram(call("x"))).toThrow("declares no input x");
    expect(() => traceProgram(call("w"))).toThrow("declares no weight w");
    expect(tf.getBackend()).toBe("cpu");
  });

  it("refuses tensors of another recording", () => {
    const kept: tf.Tensor[] = [];
    traceProgram(
      smallProgram({ inputs: { x: [2] } }, ({ input }) => {
        kept.push(tf.keep(tf.exp(input("x"))));
        return { y: input("x") };
      }),
    );
    const [stale] = kept;
    if (stale === undefined) throw new Error("expected a tensor");
    const mixed = smallProgram({ inputs: { x: [2] } }, ({ input }) => ({
      y: tf.add(input("x"), stale),
    }));
    expect(() => traceProgram(mixed)).toThrow("not of this recording");
    stale.dispose();
  });

  it("refuses a program whose course depends on numbers", () => {
    const program = smallProgram({ inputs: { x: [2] } }, ({ input }) => ({
      y: (input("x").dataSync()[0] ?? 0) > 0 ? input("x") : tf.neg(input("x")),
    }));
    expect(() => traceProgram(program)).toThrow("keep data out of control flow");
  });

  it("keeps no tensor, also where the program fails", () => {
    const before = tf.memory().numTensors;
    traceProgram(twice);
    expect(() =>
      traceProgram(
        smallProgram({ inputs: { x: [2] } }, ({ input }) => {
          tf.exp(input("x"));
          throw new Error("no");
        }),
      ),
    ).toThrow("no");
    expect(tf.memory().numTensors).toBe(before);
  });
});
