import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { attention } from "../operators/attention.js";
import { differenceOf, gradientError, leakOf, noiseOf } from "../testing/tensors.js";
import { sparseCausalAttention } from "./sparse-causal.js";

const heads = 2;

/**
 * As the authors' code has it: each frame attends to the first and the one before, doubled or not.
 */
function authorsAttention(
  { query, key, value }: { query: tf.Tensor; key: tf.Tensor; value: tf.Tensor },
  frames: number,
): tf.Tensor {
  const images = query.shape[0] ?? 0;
  const outputs = Array.from({ length: images }, (_, image) => {
    const first = image - (image % frames);
    const before = Math.max(image - 1, first);
    const context = (x: tf.Tensor): tf.Tensor =>
      tf.concat([tf.slice(x, [first], [1]), tf.slice(x, [before], [1])], 1);
    return attention(
      tf.slice(query, [image], [1]),
      { key: context(key), value: context(value) },
      heads,
    );
  });
  return tf.concat(outputs, 0);
}

const projections = (images: number, tokens = 3) => ({
  query: noiseOf([images, tokens, 4], 1),
  key: noiseOf([images, tokens, 4], 2),
  value: noiseOf([images, tokens, 4], 3),
});

const layouts = [1, 2].flatMap((clips) => [1, 2, 3, 5].map((frames) => ({ clips, frames })));

describe("sparseCausalAttention", () => {
  it.each(layouts)("is the authors' with $frames frames in each of $clips clips", (layout) => {
    const { clips, frames } = layout;
    // Frames with an even number of tokens query their context together, others one by one.
    for (const tokens of [3, 4]) {
      const given = projections(clips * frames, tokens);
      const y = sparseCausalAttention(given, { frames, heads });
      expect(differenceOf(y, authorsAttention(given, frames))).toBeLessThan(1e-6);
    }
  });

  it.each(layouts)("has the gradient of its differences, $clips x $frames", (layout) => {
    const { clips, frames } = layout;
    const given = projections(clips * frames, clips === 1 ? 2 : 3);
    for (const name of ["query", "key", "value"] as const) {
      const call = (at: tf.Tensor): tf.Tensor =>
        sparseCausalAttention({ ...given, [name]: at }, { frames, heads });
      expect(gradientError(call, given[name])).toBeLessThan(3e-3);
    }
  });

  it("is the same, gradients too, where so many scores are spared that frames are divided", () => {
    const given = projections(3, 130);
    const passed = (
      keys: readonly tf.Tensor[],
    ): { query: tf.Tensor; key: tf.Tensor; value: tf.Tensor } => {
      const [query = given.query, key = given.key, value = given.value] = keys;
      return { query, key, value };
    };
    const ours = tf.valueAndGrads((...x) => sparseCausalAttention(passed(x), { frames: 3, heads }));
    const theirs = tf.valueAndGrads((...x) => authorsAttention(passed(x), 3));
    const inputs = [given.query, given.key, given.value];
    const dy = noiseOf(given.query.shape, 4);
    const [a, b] = [ours(inputs, dy), theirs(inputs, dy)];
    expect(differenceOf(a.value, b.value)).toBeLessThan(1e-6);
    for (const [i, gradient] of a.grads.entries()) {
      expect(differenceOf(gradient, b.grads[i] ?? tf.scalar(0))).toBeLessThan(1e-5);
    }
  });

  it("leaves no tensor behind", () => {
    for (const frames of [1, 2, 4]) {
      for (const tokens of [3, 130]) {
        const given = projections(4, tokens);
        expect(leakOf(() => sparseCausalAttention(given, { frames, heads }))).toBe(0);
      }
    }
  });

  it("refuses images that do not divide into clips, and projections that differ", () => {
    const given = projections(3);
    const call = (changed: Partial<typeof given>, frames: number) => () =>
      sparseCausalAttention({ ...given, ...changed }, { frames, heads });
    expect(call({}, 2)).toThrow("query: expected clips of 2 frames, got 3 images");
    expect(call({ key: noiseOf([2, 3, 4]) }, 3)).toThrow("key: expected [3, 3, 4], got [2,3,4]");
    expect(call({ value: noiseOf([3, 2, 4]) }, 3)).toThrow("value: expected [3, 3, 4]");
    expect(call({ query: noiseOf([3, 4]) }, 3)).toThrow("query: expected [images, tokens, chan");
  });
});
