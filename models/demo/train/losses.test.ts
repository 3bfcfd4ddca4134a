import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { divergenceLoss, noiseLoss, pictureLoss } from "./losses.js";

const numberOf = (x: tf.Tensor): number => x.dataSync()[0] ?? Number.NaN;

describe("pictureLoss", () => {
  it("is four times the error's square where the error is the same everywhere", () => {
    const truth = tf.randomUniform([2, 3, 4, 4], -1, 1, "float32", 3);
    expect(numberOf(pictureLoss(tf.add(truth, 0.25), truth))).toBeCloseTo(4 * 0.25 ** 2, 5);
    expect(numberOf(pictureLoss(tf.sub(truth, 0.25), truth))).toBeCloseTo(4 * 0.25 ** 2, 5);
  });

  it("counts half of the squares of the error's edges along each axis", () => {
    const stripes = tf.tensor4d([1, -1, 1, -1], [1, 1, 2, 2]);
    expect(numberOf(pictureLoss(stripes, tf.zerosLike(stripes)))).toBe(4 * (1 + 2 ** 2 / 2));
  });
});

describe("divergenceLoss", () => {
  it("is zero at the standard normal, and grows with what the field's formula says", () => {
    const zero = tf.zeros([1, 2, 3, 3]);
    expect(numberOf(divergenceLoss(zero, zero))).toBe(0);
    const far = divergenceLoss(tf.add(zero, 3), tf.add(zero, -6));
    expect(numberOf(far)).toBeCloseTo((2e-4 * (9 + Math.exp(-6) - 1 + 6)) / 2, 8);
  });
});

describe("noiseLoss", () => {
  it("weights the square of each cell's error, all channels alike", () => {
    const predicted = tf.tensor5d([1, 2, 3, 4], [1, 2, 1, 1, 2]);
    const target = tf.tensor5d([0, 2, 1, 1], [1, 2, 1, 1, 2]);
    const weight = tf.tensor5d([0.5, 10], [1, 1, 1, 1, 2]);
    expect(numberOf(noiseLoss(predicted, { target, weight }))).toBe(0.5 * (1 + 4) + 10 * 9);
  });
});
