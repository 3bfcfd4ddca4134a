import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { evaluateGraph } from "../testing/evaluate-graph.js";
import { plainResults, smallProgram, wavesFor } from "../testing/small-program.js";
import { traceProgram } from "./trace.js";

type Call = (x: tf.Tensor) => tf.Tensor | tf.Tensor[];

const positive = (x: tf.Tensor): tf.Tensor => tf.add(x, 2);
const half = (x: tf.Tensor): tf.Tensor => tf.mul(x, 0.5);

/** Each of what the model may use, as a function of `[2, 3, 4]`. */
const calls: Readonly<Record<string, Call>> = {
  exp: (x) => tf.exp(x),
  log: (x) => tf.log(positive(x)),
  sqrt: (x) => tf.sqrt(positive(x)),
  rsqrt: (x) => tf.rsqrt(positive(x)),
  reciprocal: (x) => tf.reciprocal(positive(x)),
  sigmoid: (x) => tf.sigmoid(x),
  tanh: (x) => tf.tanh(x),
  erf: (x) => tf.erf(x),
  neg: (x) => tf.neg(x),
  abs: (x) => tf.abs(x),
  square: (x) => tf.square(x),
  "squared difference": (x) => tf.squaredDifference(x, half(x)),
  pow: (x) => tf.pow(positive(x), 3),
  maximum: (x) => tf.maximum(x, half(x)),
  minimum: (x) => tf.minimum(x, half(x)),
  "division by a column": (x) => tf.div(x, positive(tf.sum(x, -1, true))),
  "sum of all": (x) => tf.sum(x),
  "sum over the last axis": (x) => tf.sum(x, -1),
  "sum over the last axis of a reshape": (x) => tf.sum(tf.reshape(x, [6, 4]), 1, true),
  "sum over a last axis that a reshape cut": (x) => tf.sum(tf.reshape(x, [6, 2, 2]), 2),
  "sum over two axes": (x) => tf.sum(x, [0, 2]),
  "sum over two axes, kept": (x) => tf.sum(x, [0, 2], true),
  "sum over an axis of size 1": (x) => tf.sum(tf.reshape(x, [2, 1, 12]), 1),
  mean: (x) => tf.mean(x, [1], true),
  max: (x) => tf.max(x, 1),
  softmax: (x) => tf.softmax(x),
  reshape: (x) => tf.reshape(tf.exp(x), [-1, 6]),
  "new axes": (x) => [tf.expandDims(tf.exp(x), 1), tf.expandDims(tf.exp(x), -1)],
  transpose: (x) => tf.transpose(x, [2, 0, 1]),
  "slice to the end": (x) => tf.slice(x, [0, 1, 1], [-1, -1, 2]),
  "slice of the first axis": (x) => [tf.slice(x, 1), tf.slice(x, [1], [1])],
  "split in equal parts": (x) => tf.split(x, 2, 2),
  "split in unequal parts": (x) => tf.split(x, [1, 2], 1),
  "split with the rest": (x) => tf.split(x, [1, -1], -1),
  concat: (x) => tf.concat([x, half(x)], -1),
  pad: (x) =>
    tf.pad(x, [
      [0, 1],
      [2, 0],
      [0, 0],
    ]),
  tile: (x) => tf.tile(x, [2, 1, 3]),
  gather: (x) => [tf.gather(x, tf.tensor1d([2, 0, 2], "int32"), 1), tf.gather(x, [1, 0], -1)],
  likes: (x) => [tf.add(x, tf.onesLike(x)), tf.add(x, tf.zerosLike(x))],
  product: (x) => tf.matMul(x, x, false, true),
  "product of the transposed": (x) => tf.matMul(x, x, true, false),
  "product of one batch": (x) => tf.matMul(tf.slice(x, 0, 1), tf.slice(x, 1, 1), true, false),
  "product with one matrix for all": (x) => tf.matMul(x, tf.reshape(tf.slice(x, 0, 1), [1, 4, 3])),
  "product of scaled values": (x) => tf.matMul(tf.mul(x, 3), tf.mul(0.5, x), false, true),
};

function agree(call: Call, shape: readonly number[] = [2, 3, 4]): void {
  const program = smallProgram({ inputs: { x: shape } }, ({ input }) => {
    const y = call(input("x"));
    return Object.fromEntries((Array.isArray(y) ? y : [y]).map((part, i) => [`y${i}`, part]));
  });
  const given = wavesFor(program);
  const expected = plainResults(program, given);
  const got = evaluateGraph(traceProgram(program), given);
  expect(Object.keys(got)).toEqual(Object.keys(expected));
  for (const [name, numbers] of Object.entries(expected)) {
    expect(got[name]?.length, name).toBe(numbers.length);
    for (const [i, number] of numbers.entries()) expect(got[name]?.[i]).toBeCloseTo(number, 5);
  }
}

describe("registerTensorKernels", () => {
  it.each(Object.entries(calls))("records what %s computes", (_, call) => {
    agree(call);
  });

  it.each(
    Object.entries(calls).filter(
      ([name]) => !/erf|max|min|abs|gather|likes|pow|one matrix/.test(name),
    ),
  )("records the gradient of %s", (_, call) => {
    const total = (x: tf.Tensor): tf.Scalar => {
      const parts = [call(x)].flat();
      const sums = parts.map((part, i) => tf.sum(tf.mul(tf.square(part), i + 1)));
      return sums.reduce((a, b) => tf.add(a, b)) as tf.Scalar;
    };
    agree((x) => tf.grad(total)(x));
  });

  it("records the gradient of a sum that a number scales, whatever it flows into", () => {
    agree((x) => tf.grad((a) => tf.square(tf.sum(tf.mul(a, 2))))(x));
    agree((x) => tf.grad((a) => tf.square(tf.mean(tf.mul(tf.mul(a, 3), a))))(x));
  });

  it("refuses what it would record wrongly", () => {
    const refused: Record<string, [Call, RegExp]> = {
      pad: [
        (x) =>
          tf.pad(
            x,
            [
              [0, 1],
              [0, 0],
              [0, 0],
            ],
            7,
          ),
        /zeros only/,
      ],
      cast: [(x) => tf.cast(x, "int32"), /cast from float32 is not known/],
      gather: [(x) => tf.gather(x, tf.tensor2d([[0], [1]], [2, 1], "int32"), 1, 1), /no batch/],
      unknown: [(x) => tf.sin(x), /Sin/],
    };
    for (const [call, message] of Object.values(refused))
      expect(() => agreeTrace(call)).toThrow(message);
  });
});

function agreeTrace(call: Call): void {
  traceProgram(
    smallProgram({ inputs: { x: [2, 3, 4] } }, ({ input }) => ({
      y: call(input("x")) as tf.Tensor,
    })),
  );
}
