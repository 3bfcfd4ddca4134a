import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import {
  differenceOf,
  gradientError,
  leakOf,
  noiseOf,
  registeredGradients,
} from "../testing/tensors.js";
import { layerNorm, layerNormKernel } from "./layer-norm.js";

const layer = { gain: tf.tensor1d([1, 2]), bias: tf.tensor1d([0, 10]) };

describe("layerNorm", () => {
  it("takes mean and deviation off each token, then scales and shifts channels", () => {
    const x = tf.tensor2d([
      [1, 3],
      [-40, -60],
    ]);
    expect(layerNorm(x, layer, 0).arraySync()).toEqual([
      [-1, 12],
      [1, 8],
    ]);
  });

  it("adds eps to the variance, so that equal channels stay finite", () => {
    const y = layerNorm(tf.tensor2d([[1, 3]]), layer, 3);
    expect(y.arraySync()).toEqual([[-0.5, 11]]);
    expect(layerNorm(tf.tensor2d([[7, 7]]), layer, 1e-5).arraySync()).toEqual([[0, 10]]);
  });

  it("has the gradient of its differences", () => {
    const affine = { gain: noiseOf([4], 2), bias: noiseOf([4], 3) };
    const x = noiseOf([2, 3, 4]);
    expect(gradientError((at) => layerNorm(at, affine, 1e-5), x)).toBeLessThan(2e-2);
    const ofGain = (gain: tf.Tensor): tf.Tensor => layerNorm(x, { ...affine, gain }, 1e-5);
    expect(gradientError(ofGain, affine.gain)).toBeLessThan(2e-3);
    const ofBias = (bias: tf.Tensor): tf.Tensor => layerNorm(x, { ...affine, bias }, 1e-5);
    expect(gradientError(ofBias, affine.bias)).toBeLessThan(2e-3);
  });

  it("registers the gradient that the plain composition has", () => {
    const [x, gain, bias] = [noiseOf([2, 3, 4]), noiseOf([4], 2), noiseOf([4], 3)];
    const dy = noiseOf([2, 3, 4], 5);
    const { mean, variance } = tf.moments(x, -1, true);
    const saved = [x, gain, mean, tf.rsqrt(tf.add(variance, 1e-5))];
    const registered = registeredGradients(layerNormKernel, { dy, saved, outputs: 3 });
    const call = (a: tf.Tensor, b: tf.Tensor, c: tf.Tensor): tf.Tensor =>
      layerNorm(a, { gain: b, bias: c }, 1e-5);
    const plain = tf.grads(call)([x, gain, bias], dy);
    for (const [i, name] of ["x", "gain", "bias"].entries()) {
      const [a, b] = [registered[name] ?? x, plain[i] ?? x];
      expect(differenceOf(a, b), name).toBeLessThan(5e-6);
    }
  });

  it("leaves no tensor behind", () => {
    const x = noiseOf([3, 2]);
    expect(leakOf(() => layerNorm(x, layer, 1e-5))).toBe(0);
  });

  it("refuses channels that differ", () => {
    expect(() => layerNorm(noiseOf([2, 3]), layer, 1e-5)).toThrow("gain: expected [3], got [2]");
    const long = { ...layer, bias: noiseOf([3]) };
    expect(() => layerNorm(noiseOf([2, 2]), long, 1e-5)).toThrow("bias: expected [2]");
  });
});
