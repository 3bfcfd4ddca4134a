import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import {
  differenceOf,
  gradientError,
  leakOf,
  noiseOf,
  registeredGradients,
} from "../testing/tensors.js";
import { linear, linearKernel } from "./linear.js";

const weight = tf.tensor2d([
  [1, 2],
  [0, -1],
  [3, 0],
]);
const bias = tf.tensor1d([0, 10, 0]);

describe("linear", () => {
  it("multiplies rows by the stored matrix, and adds the bias", () => {
    const x = tf.tensor2d([
      [1, 1],
      [2, 0],
    ]);
    expect(linear(x, weight).arraySync()).toEqual([
      [3, -1, 3],
      [2, 0, 6],
    ]);
    expect(linear(x, weight, bias).arraySync()).toEqual([
      [3, 9, 3],
      [2, 10, 6],
    ]);
  });

  it("keeps all axes but the last", () => {
    expect(linear(noiseOf([2, 3, 4, 2]), weight).shape).toEqual([2, 3, 4, 3]);
    expect(linear(tf.tensor1d([1, 1]), weight, bias).arraySync()).toEqual([3, 9, 3]);
  });

  it("has the gradient of its differences, with respect to x, weight and bias", () => {
    const x = noiseOf([2, 3, 2]);
    expect(gradientError((at) => linear(at, weight, bias), x)).toBeLessThan(2e-3);
    expect(gradientError((at) => linear(x, at, bias), weight)).toBeLessThan(2e-3);
    expect(gradientError((at) => linear(x, weight, at), bias)).toBeLessThan(2e-3);
  });

  it("registers the gradient that the plain composition has", () => {
    const [x, dy] = [noiseOf([4, 2], 1), noiseOf([4, 3], 2)];
    const named = registeredGradients(linearKernel, { dy, saved: [x, weight] });
    const plain = tf.grads((a: tf.Tensor, b: tf.Tensor, c: tf.Tensor) => linear(a, b, c));
    for (const [i, gradient] of plain([x, weight, bias], dy).entries()) {
      const registered = named[["x", "weight", "bias"][i] ?? ""] ?? tf.scalar(0);
      expect(differenceOf(registered, gradient)).toBeLessThan(1e-6);
    }
  });

  it("leaves no tensor behind", () => {
    const x = noiseOf([2, 3, 2]);
    expect(leakOf(() => linear(x, weight, bias))).toBe(0);
  });

  it("refuses channels that differ", () => {
    expect(() => linear(noiseOf([2, 3]), weight)).toThrow("x: expected [2, 2], got [2,3]");
    expect(() => linear(noiseOf([2, 2]), weight, noiseOf([2]))).toThrow("bias: expected [3]");
    expect(() => linear(noiseOf([2, 2]), noiseOf([2]))).toThrow("weight: expected [out, inner]");
  });
});
