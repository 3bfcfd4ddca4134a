import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { gradientError, leakOf, noiseOf } from "../testing/tensors.js";
import { convolution, padAll } from "./convolution.js";

const image = tf.tensor4d([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 3, 3]);
const corner = { top: 0, bottom: 1, left: 0, right: 1 };

/** A kernel of zeros with a 1 at a place, and no bias. */
function pick(row: number, column: number): { weight: tf.Tensor; bias: tf.Tensor } {
  const values = Array.from({ length: 9 }, (_, i) => (i === 3 * row + column ? 1 : 0));
  return { weight: tf.tensor4d(values, [1, 1, 3, 3]), bias: tf.tensor1d([0]) };
}

describe("convolution", () => {
  it("correlates: a kernel's upper left cell reads up and left", () => {
    const y = convolution(image, pick(0, 0), { stride: 1, padding: padAll(1) });
    expect(tf.reshape(y, [3, 3]).arraySync()).toEqual([
      [0, 0, 0],
      [0, 1, 2],
      [0, 4, 5],
    ]);
  });

  it("sums over input channels and adds a bias to each output channel", () => {
    const x = tf.tensor4d([1, 10], [1, 2, 1, 1]);
    const layer = { weight: tf.tensor4d([1, 2, 3, 4], [2, 2, 1, 1]), bias: tf.tensor1d([0.5, 0]) };
    const y = convolution(x, layer, { stride: 1, padding: padAll(0) });
    expect([...y.dataSync()]).toEqual([21.5, 43]);
  });

  it("steps by the stride from the upper left, and may pad below and to the right only", () => {
    const strided = convolution(image, pick(1, 1), { stride: 2, padding: padAll(1) });
    expect([...strided.dataSync()]).toEqual([1, 3, 7, 9]);
    const lopsided = convolution(image, pick(0, 0), { stride: 2, padding: corner });
    expect(lopsided.shape).toEqual([1, 1, 1, 1]);
    expect([...lopsided.dataSync()]).toEqual([1]);
    const last = convolution(image, pick(2, 2), { stride: 1, padding: corner });
    expect([...last.dataSync()]).toEqual([9, 0, 0, 0]);
  });

  it("treats images apart", () => {
    const two = tf.concat([image, tf.mul(image, 2)], 0);
    const y = convolution(two, pick(1, 1), { stride: 1, padding: padAll(1) });
    expect([...y.dataSync()]).toEqual([...two.dataSync()]);
  });

  it("has the gradient of its differences, with respect to x and bias", () => {
    const layer = { weight: noiseOf([2, 1, 3, 3]), bias: noiseOf([2]) };
    for (const options of [
      { stride: 1, padding: padAll(1) },
      { stride: 2, padding: corner },
    ]) {
      expect(gradientError((x) => convolution(x, layer, options), image)).toBeLessThan(2e-3);
      const ofBias = (bias: tf.Tensor): tf.Tensor =>
        convolution(image, { ...layer, bias }, options);
      expect(gradientError(ofBias, layer.bias)).toBeLessThan(2e-3);
    }
  });

  it("leaves no tensor behind", () => {
    const layer = pick(1, 1);
    expect(leakOf(() => convolution(image, layer, { stride: 1, padding: padAll(1) }))).toBe(0);
  });

  it("refuses channels that differ", () => {
    const call = (x: tf.Tensor, bias: tf.Tensor): tf.Tensor =>
      convolution(x, { weight: pick(1, 1).weight, bias }, { stride: 1, padding: padAll(1) });
    expect(() => call(noiseOf([1, 2, 3, 3]), noiseOf([1]))).toThrow("x: expected [1, 1, 3, 3]");
    expect(() => call(image, noiseOf([2]))).toThrow("bias: expected [1]");
    expect(() => call(noiseOf([1, 3, 3]), noiseOf([1]))).toThrow("x: expected [images, channels");
  });
});
