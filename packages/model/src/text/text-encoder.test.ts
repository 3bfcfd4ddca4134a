import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { smallText } from "../testing/small-configs.js";
import { differenceOf, randomScope } from "../testing/tensors.js";
import type { TextConfig } from "./config.js";
import { textTensors } from "./tensors.js";
import { textEncode } from "./text-encoder.js";

const scope = randomScope(textTensors(smallText));
const idsOf = (...rows: readonly number[][]): tf.Tensor =>
  tf.tensor2d(
    rows.map((row) => [...row]),
    undefined,
    "int32",
  );
const encode = (ids: tf.Tensor, config: TextConfig = smallText): tf.Tensor =>
  tf.tidy(() => textEncode(scope, ids, config));

describe("textEncode", () => {
  it("gives a vector per token, normed: of mean 0 where the last bias is 0", () => {
    const plain = {
      "text_model.final_layer_norm.weight": tf.ones([8]),
      "text_model.final_layer_norm.bias": tf.zeros([8]),
    };
    const hidden = textEncode(
      randomScope(textTensors(smallText), plain),
      idsOf([1, 2, 3, 4, 5]),
      smallText,
    );
    expect(hidden.shape).toEqual([1, 5, 8]);
    const { mean, variance } = tf.moments(hidden, -1);
    for (const number of mean.dataSync()) expect(number).toBeCloseTo(0, 5);
    for (const number of variance.dataSync()) expect(number).toBeCloseTo(1, 3);
  });

  it("lets a token see itself and those before it only", () => {
    const hidden = encode(idsOf([1, 2, 3, 4, 5]));
    const changed = encode(idsOf([1, 2, 9, 4, 5]));
    const perToken = tf.max(tf.abs(tf.sub(hidden, changed)), [0, 2]).dataSync();
    expect([...perToken].map((difference) => difference > 1e-6)).toEqual([
      ...[false, false, true, true, true],
    ]);
  });

  it("knows where a token stands", () => {
    const hidden = encode(idsOf([3, 3, 3, 3, 3]));
    const [first, second] = tf.split(hidden, [1, 1, 3], 1);
    if (first === undefined || second === undefined) throw new Error("two");
    expect(differenceOf(first, second)).toBeGreaterThan(1e-3);
  });

  it("treats prompts of a batch apart", () => {
    const rows = [
      [1, 2, 3, 4, 5],
      [9, 8, 7, 6, 0],
    ];
    const both = encode(idsOf(...rows));
    const apart = tf.concat(
      rows.map((row) => encode(idsOf(row))),
      0,
    );
    expect(differenceOf(both, apart)).toBeLessThan(1e-6);
  });

  it("takes activation and eps from the config", () => {
    const ids = idsOf([1, 2, 3, 4, 5]);
    const hidden = encode(ids);
    expect(differenceOf(encode(ids, { ...smallText, activation: "gelu" }), hidden)).toBeGreaterThan(
      1e-4,
    );
    expect(differenceOf(encode(ids, { ...smallText, normEps: 1e-2 }), hidden)).toBeGreaterThan(
      1e-4,
    );
  });

  it("leaves its result alone behind, inside a tidy", () => {
    const ids = idsOf([1, 2, 3, 4, 5]);
    const before = tf.memory().numTensors;
    const hidden = encode(ids);
    expect(tf.memory().numTensors).toBe(before + 1);
    hidden.dispose();
  });

  it("refuses another number of tokens", () => {
    expect(() => encode(idsOf([1, 2, 3]))).toThrow();
  });
});

describe("textTensors", () => {
  it("lists CLIP ViT-L/14's: 196 tensors, 123,060,480 parameters", () => {
    const tensors = textTensors({
      ...smallText,
      ...{ vocabSize: 49408, promptTokens: 77, width: 768, mlpWidth: 3072, layers: 12, heads: 12 },
    });
    const sizes = tensors.map(({ shape }) => shape.reduce((n, size) => n * size, 1));
    expect(tensors).toHaveLength(196);
    expect(sizes.reduce((a, b) => a + b)).toBe(123_060_480);
  });
});
