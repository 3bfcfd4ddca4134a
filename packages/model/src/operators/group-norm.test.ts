import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import {
  differenceOf,
  gradientError,
  leakOf,
  noiseOf,
  registeredGradients,
} from "../testing/tensors.js";
import { groupNorm, groupNormKernel } from "./group-norm.js";

const eps = 1e-5;
const affine = { gain: noiseOf([4], 2), bias: noiseOf([4], 3) };

/** The textbook's: all values of a group of a clip together. */
function together(x: tf.Tensor, groups: number, frames: number): tf.Tensor {
  const [images = 1, channels = 1, height = 1, width = 1] = x.shape;
  const clips = images / frames;
  const split = [clips, frames, groups, (channels / groups) * height * width];
  const grouped = tf.reshape(x, split);
  const { mean, variance } = tf.moments(grouped, [1, 3], true);
  const standard = tf.reshape(
    tf.div(tf.sub(grouped, mean), tf.sqrt(tf.add(variance, eps))),
    x.shape,
  );
  const column = (t: tf.Tensor): tf.Tensor => tf.reshape(t, [1, channels, 1, 1]);
  return tf.add(tf.mul(standard, column(affine.gain)), column(affine.bias));
}

/** One clip and several, of one frame and of several: each takes another way through the code. */
const layouts = [
  { clips: 1, frames: 1 },
  { clips: 1, frames: 3 },
  { clips: 2, frames: 1 },
  { clips: 2, frames: 3 },
];

describe("groupNorm", () => {
  it("normalises a group of channels over an image", () => {
    const x = tf.tensor4d([1, 3, 10, 50], [1, 2, 1, 2]);
    const plain = { gain: tf.tensor1d([1, 2]), bias: tf.tensor1d([0, 5]) };
    const y = groupNorm(x, plain, { groups: 2, eps: 0, frames: 1 });
    for (const [i, number] of [-1, 1, 3, 7].entries()) {
      expect(y.dataSync()[i]).toBeCloseTo(number, 5);
    }
  });

  it.each(layouts)("takes statistics over $frames frames of each of $clips clips", (layout) => {
    const { clips, frames } = layout;
    const x = noiseOf([clips * frames, 4, 3, 2]);
    const moved = tf.add(x, tf.reshape(tf.range(0, clips * frames), [-1, 1, 1, 1]));
    const y = groupNorm(moved, affine, { groups: 2, eps, frames });
    expect(differenceOf(y, together(moved, 2, frames))).toBeLessThan(5e-6);
  });

  it("keeps its digits where the mean is a thousand times the deviation", () => {
    const x = noiseOf([2, 4, 3, 2]);
    const far = groupNorm(tf.add(x, 1000), affine, { groups: 2, eps, frames: 2 });
    expect(differenceOf(far, together(x, 2, 2))).toBeLessThan(2e-3);
  });

  it.each(layouts)("has the gradient of its differences, $clips x $frames", ({ clips, frames }) => {
    const options = { groups: 2, eps, frames };
    const x = noiseOf([clips * frames, 4, 2, 2]);
    expect(gradientError((at) => groupNorm(at, affine, options), x)).toBeLessThan(2e-2);
  });

  it.each(
    layouts.flatMap((layout) => [
      { ...layout, isSmall: false },
      { ...layout, isSmall: true },
    ]),
  )("registers the plain composition's gradient, $clips x $frames, small $isSmall", (layout) => {
    const { clips, frames, isSmall } = layout;
    const options = { groups: 2, eps, frames };
    const x = noiseOf([clips * frames, 4, 3, 2]);
    const dy = noiseOf(x.shape, 5);
    const grouped = tf.reshape(x, [clips, frames, 2, 12]);
    const { mean, variance } = tf.moments(grouped, [1, 3]);
    const saved = [x, affine.gain, mean, tf.rsqrt(tf.add(variance, eps))];
    const attributes = { groups: 2, frames, isSmall };
    const registered = registeredGradients(groupNormKernel, { dy, saved, outputs: 3, attributes });
    const call = (a: tf.Tensor, gain: tf.Tensor, bias: tf.Tensor): tf.Tensor =>
      groupNorm(a, { gain, bias }, options);
    const plain = tf.grads(call)([x, affine.gain, affine.bias], dy);
    for (const [i, name] of ["x", "gain", "bias"].entries()) {
      const [a, b] = [registered[name] ?? tf.scalar(0), plain[i] ?? x];
      expect(differenceOf(a, b), name).toBeLessThan(2e-5);
    }
  });

  it("leaves no tensor behind", () => {
    const x = noiseOf([6, 4, 2, 2]);
    expect(leakOf(() => groupNorm(x, affine, { groups: 2, eps, frames: 3 }))).toBe(0);
  });

  it("refuses channels that do not divide into groups, images into clips, and other gains", () => {
    const call = (shape: readonly number[], groups: number, frames: number) => () =>
      groupNorm(noiseOf(shape), affine, { groups, eps, frames });
    expect(call([2, 4, 1, 1], 3, 1)).toThrow("channels in 3 groups");
    expect(call([3, 4, 1, 1], 2, 2)).toThrow("images in clips of 2 frames, got [3,4,1,1]");
    expect(call([2, 6, 1, 1], 2, 1)).toThrow("gain: expected [6], got [4]");
    expect(call([2, 4, 1], 2, 1)).toThrow("x: expected [images, channels, height, width]");
  });
});
