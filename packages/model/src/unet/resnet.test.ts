import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import type { WeightSpec } from "../program.js";
import { childScope, rootScope, type Scope } from "../scope.js";
import { smallUNet } from "../testing/small-configs.js";
import { differenceOf, gradientError, noiseOf, randomScope } from "../testing/tensors.js";
import { downsample, resnetBlock, upsample } from "./resnet.js";
import { unetTensors } from "./tensors.js";

/** A convolution that passes its one channel on. */
const identity: Scope = rootScope(
  (name) =>
    ({
      "conv.weight": tf.tensor4d([0, 0, 0, 0, 1, 0, 0, 0, 0], [1, 1, 3, 3]),
      "conv.bias": tf.tensor1d([0]),
    })[name],
);
const rowOf = (numbers: readonly number[]): tf.Tensor =>
  tf.tensor([...numbers], [1, 1, 1, numbers.length]);
const columnOf = (numbers: readonly number[]): tf.Tensor =>
  tf.tensor([...numbers], [1, 1, numbers.length, 1]);

describe("upsample", () => {
  it("doubles rows and columns where no size is given", () => {
    const x = tf.tensor4d([1, 2, 3, 4], [1, 1, 2, 2]);
    expect([...upsample(identity, x).dataSync()]).toEqual([
      ...[1, 1, 2, 2],
      ...[1, 1, 2, 2],
      ...[3, 3, 4, 4],
      ...[3, 3, 4, 4],
    ]);
  });

  it("takes for cell i of n the cell floor(i from / n), whatever n", () => {
    for (let from = 1; from <= 4; from += 1) {
      const numbers = Array.from({ length: from }, (_, i) => i);
      for (let to = 1; to <= 9; to += 1) {
        const expected = Array.from({ length: to }, (_, i) => Math.floor((i * from) / to));
        expect([...upsample(identity, rowOf(numbers), [1, to]).dataSync()]).toEqual(expected);
        expect([...upsample(identity, columnOf(numbers), [to, 1]).dataSync()]).toEqual(expected);
      }
    }
  });

  it("has the gradient of its differences, for even and odd sizes", () => {
    for (const size of [
      [4, 6],
      [3, 5],
      [2, 3],
    ] as const) {
      const call = (x: tf.Tensor): tf.Tensor => upsample(identity, x, size);
      expect(gradientError(call, noiseOf([1, 1, 2, 3]))).toBeLessThan(2e-3);
    }
  });

  it("refuses what is no image", () => {
    expect(() => upsample(identity, noiseOf([1, 2, 2]))).toThrow("x: expected [images, channels");
  });
});

describe("downsample", () => {
  it("takes every other cell, and rounds odd sizes up", () => {
    expect([...downsample(identity, rowOf([1, 2, 3, 4]), 1).dataSync()]).toEqual([1, 3]);
    expect([...downsample(identity, rowOf([1, 2, 3, 4, 5]), 1).dataSync()]).toEqual([1, 3, 5]);
  });
});

describe("resnetBlock", () => {
  const path = "down_blocks.1.resnets.0";
  const specs: WeightSpec[] = unetTensors(smallUNet).filter(({ name }) => name.startsWith(path));
  const scope = childScope(randomScope(specs), path);
  const options = { groups: 2, eps: 1e-5 };
  const call = (x: tf.Tensor, timeEmbedding: tf.Tensor, frames: number): tf.Tensor =>
    resnetBlock(scope, { x, timeEmbedding }, { ...options, frames });

  it("treats clips apart: two give what each gives by itself", () => {
    for (const frames of [1, 3]) {
      const [x, time] = [noiseOf([2 * frames, 4, 3, 2]), noiseOf([2, 16], 5)];
      const both = call(x, time, frames);
      const apart = [0, 1].map((clip) =>
        call(tf.slice(x, [clip * frames], [frames]), tf.slice(time, [clip], [1]), frames),
      );
      expect(differenceOf(both, tf.concat(apart, 0))).toBeLessThan(1e-5);
    }
  });

  it("lets all frames of a clip share their norms", () => {
    const x = noiseOf([2, 4, 3, 2]);
    const [together, apart] = [call(x, noiseOf([1, 16]), 2), call(x, noiseOf([2, 16]), 1)];
    expect(differenceOf(together, apart)).toBeGreaterThan(0.01);
  });

  it("adds its input, through a 1x1 convolution where channels change", () => {
    const silent = (shortcut: boolean): Scope => {
      const of = shortcut ? specs : specs.filter(({ name }) => !name.includes("shortcut"));
      const zeros = {
        [`${path}.conv2.weight`]: tf.zeros([8, 8, 3, 3]),
        [`${path}.conv2.bias`]: tf.zeros([8]),
      };
      return childScope(randomScope(of, zeros), path);
    };
    const x = noiseOf([1, 4, 2, 2]);
    const time = noiseOf([1, 16]);
    const y = resnetBlock(silent(true), { x, timeEmbedding: time }, { ...options, frames: 1 });
    const weight = silent(true).find("conv_shortcut.weight");
    const bias = silent(true).find("conv_shortcut.bias");
    if (weight === undefined || bias === undefined) throw new Error("a shortcut");
    const cells = tf.reshape(x, [4, 4]);
    const expected = tf.add(tf.matMul(tf.reshape(weight, [8, 4]), cells), tf.reshape(bias, [8, 1]));
    expect(differenceOf(tf.reshape(y, [8, 4]), expected)).toBeLessThan(1e-5);
    const same = unetTensors(smallUNet).filter(({ name }) =>
      name.startsWith("down_blocks.0.resnets.0"),
    );
    const inner = childScope(
      randomScope(same, {
        "down_blocks.0.resnets.0.conv2.weight": tf.zeros([4, 4, 3, 3]),
        "down_blocks.0.resnets.0.conv2.bias": tf.zeros([4]),
      }),
      "down_blocks.0.resnets.0",
    );
    const kept = resnetBlock(inner, { x, timeEmbedding: time }, { ...options, frames: 1 });
    expect(differenceOf(kept, x)).toBe(0);
  });

  it("does without a time embedding, as the VAE does", () => {
    const x = noiseOf([1, 4, 2, 2]);
    const timeless = resnetBlock(scope, { x }, { ...options, frames: 1 });
    expect(timeless.shape).toEqual([1, 8, 2, 2]);
    expect(differenceOf(timeless, call(x, noiseOf([1, 16]), 1))).toBeGreaterThan(0.001);
  });

  it("has the gradient of its differences", () => {
    const time = noiseOf([2, 16]);
    const x = noiseOf([4, 4, 2, 1]);
    expect(gradientError((at) => call(at, time, 2), x)).toBeLessThan(5e-2);
    expect(gradientError((at) => call(x, at, 2), time)).toBeLessThan(5e-2);
  });

  it("refuses channels that its weights do not have", () => {
    expect(() => call(noiseOf([1, 6, 2, 2]), noiseOf([1, 16]), 1)).toThrow("gain: expected [6]");
  });
});
