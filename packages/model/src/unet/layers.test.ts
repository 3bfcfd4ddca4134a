import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { rootScope } from "../scope.js";
import { differenceOf, gradientError, leakOf, noiseOf } from "../testing/tensors.js";
import {
  convolution1x1,
  convolution3x3,
  foldFrames,
  groupNormLayer,
  layerNormLayer,
  linearLayer,
  unfoldFrames,
} from "./layers.js";

const weights: Record<string, tf.Tensor> = {
  "proj.weight": tf.tensor2d([[1, 2]]),
  "biased.weight": tf.tensor2d([[1, 2]]),
  "biased.bias": tf.tensor1d([5]),
  "three.weight": tf.ones([1, 1, 3, 3]),
  "three.bias": tf.tensor1d([0]),
  "one.weight": tf.tensor4d([3], [1, 1, 1, 1]),
  "one.bias": tf.tensor1d([1]),
  "norm.weight": tf.tensor1d([1, 1]),
  "norm.bias": tf.tensor1d([0, 0]),
};
const scope = rootScope((name) => weights[name]);

describe("foldFrames", () => {
  // Channel c of frame f of clip b holds 100 b + 10 f + c.
  const number = (b: number, c: number, f: number): number => 100 * b + 10 * f + c;
  const video = tf.tensor(
    [0, 1].flatMap((b) => [0, 1].flatMap((c) => [0, 1, 2].map((f) => number(b, c, f)))),
    [2, 2, 3, 1, 1],
  );

  it("makes images of frames, the frame being the faster index", () => {
    const images = foldFrames(video);
    expect(images.shape).toEqual([6, 2, 1, 1]);
    const channels = [0, 1].flatMap((b) =>
      [0, 1, 2].flatMap((f) => [0, 1].map((c) => number(b, c, f))),
    );
    expect([...images.dataSync()]).toEqual(channels);
  });

  it("is undone by unfoldFrames", () => {
    const clip = noiseOf([2, 3, 4, 2, 5]);
    expect(differenceOf(unfoldFrames(foldFrames(clip), 4), clip)).toBe(0);
    expect(leakOf(() => foldFrames(clip))).toBe(0);
    const images = noiseOf([4, 3, 2, 2]);
    expect(leakOf(() => unfoldFrames(images, 2))).toBe(0);
    expect(gradientError((x) => foldFrames(x), noiseOf([1, 2, 2, 1, 1]))).toBeLessThan(1e-3);
  });

  it("refuses what is no video, and images that do not divide into clips", () => {
    expect(() => foldFrames(noiseOf([2, 3, 4, 5]))).toThrow("video: expected [batch, channels");
    expect(() => unfoldFrames(noiseOf([3, 2, 1, 1]), 2)).toThrow("expected clips of 2 frames");
  });
});

describe("linearLayer", () => {
  it("finds its weights below its name, with or without a bias", () => {
    const x = tf.tensor2d([[1, 1]]);
    expect(linearLayer(scope, "proj", x).arraySync()).toEqual([[3]]);
    expect(linearLayer(scope, "biased", x).arraySync()).toEqual([[8]]);
    expect(() => linearLayer(scope, "absent", x)).toThrow("absent: there is no weight weight");
  });
});

describe("convolution3x3", () => {
  it("keeps height and width", () => {
    const x = tf.ones([1, 1, 2, 3]);
    expect([...convolution3x3(scope, "three", x).dataSync()]).toEqual([4, 6, 4, 4, 6, 4]);
  });
});

describe("convolution1x1", () => {
  it("works on every cell by itself", () => {
    const x = tf.tensor4d([1, 2], [1, 1, 1, 2]);
    expect([...convolution1x1(scope, "one", x).dataSync()]).toEqual([4, 7]);
  });
});

describe("groupNormLayer", () => {
  it("takes its gain and bias from its name", () => {
    const x = tf.tensor4d([1, 3], [1, 2, 1, 1]);
    const y = groupNormLayer(scope, "norm", x, { groups: 1, eps: 0, frames: 1 });
    expect([...y.dataSync()]).toEqual([-1, 1]);
  });
});

describe("layerNormLayer", () => {
  it("adds 1e-5 to the variance if not told otherwise", () => {
    const x = tf.tensor2d([[0, 0.002]]);
    const [, plain = 0] = layerNormLayer(scope, "norm", x).dataSync();
    expect(plain).toBeCloseTo(0.001 / Math.sqrt(1e-6 + 1e-5), 5);
    const [, other = 0] = layerNormLayer(scope, "norm", x, 3e-6).dataSync();
    expect(other).toBeCloseTo(0.5, 5);
  });
});
