import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { withBackwardPass } from "../scope.js";
import {
  differenceOf,
  gradientError,
  leakOf,
  noiseOf,
  registeredGradients,
} from "../testing/tensors.js";
import {
  attention,
  attentionGradients,
  attentionKernel,
  headParts,
  repeatedContext,
} from "./attention.js";

const [query, key, value] = [noiseOf([2, 3, 4], 1), noiseOf([2, 5, 4], 2), noiseOf([2, 5, 4], 3)];

function registered(
  given: readonly [tf.Tensor, tf.Tensor, tf.Tensor],
  dy: tf.Tensor,
  heads: number,
): tf.Tensor[] {
  const [q, k, v] = given;
  const saved = [q, k, v, attention(q, { key: k, value: v }, heads)];
  const named = registeredGradients(attentionKernel, { dy, saved, attributes: { heads } });
  return ["query", "key", "value"].map((name) => named[name] ?? tf.scalar(0));
}

describe("attention", () => {
  it("takes the mean of the values where all keys are alike", () => {
    const alike = tf.ones([1, 2, 2]);
    const values = tf.tensor3d([
      [
        [1, 10],
        [3, 30],
      ],
    ]);
    expect(attention(noiseOf([1, 1, 2]), { key: alike, value: values }, 1).arraySync()).toEqual([
      [[2, 20]],
    ]);
  });

  it("weighs values by the exponential of scaled products, each head by itself", () => {
    // One channel per head: scores are q k, without scaling; ln 3 gives weights 3 : 1.
    const q = tf.tensor3d([[[Math.log(3), 0]]]);
    const k = tf.tensor3d([
      [
        [1, 1],
        [0, 0],
      ],
    ]);
    const v = tf.tensor3d([
      [
        [4, 4],
        [0, 0],
      ],
    ]);
    const [first = 0, second = 0] = attention(q, { key: k, value: v }, 2).dataSync();
    expect(first).toBeCloseTo(3, 5);
    expect(second).toBeCloseTo(2, 5);
  });

  it("divides scores by the root of a head's channels", () => {
    const q = tf.tensor3d([[[Math.log(3), 0, 0, 0]]]);
    const k = tf.tensor3d([
      [
        [2, 0, 0, 0],
        [0, 0, 0, 0],
      ],
    ]);
    const v = tf.tensor3d([
      [
        [4, 0, 0, 0],
        [0, 0, 0, 0],
      ],
    ]);
    expect(attention(q, { key: k, value: v }, 1).dataSync()[0]).toBeCloseTo(3, 5);
  });

  it("has the gradient of its differences", () => {
    for (const heads of [1, 2]) {
      const of = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Tensor =>
        attention(q, { key: k, value: v }, heads);
      expect(gradientError((at) => of(at, key, value), query)).toBeLessThan(3e-3);
      expect(gradientError((at) => of(query, at, value), key)).toBeLessThan(3e-3);
      expect(gradientError((at) => of(query, key, at), value)).toBeLessThan(3e-3);
    }
  });

  it("registers the gradient that the plain composition has", () => {
    const dy = noiseOf([2, 3, 4], 7);
    for (const heads of [1, 2, 4]) {
      const call = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Tensor =>
        attention(q, { key: k, value: v }, heads);
      const plain = tf.grads(call)([query, key, value], dy);
      for (const [i, gradient] of registered([query, key, value], dy, heads).entries()) {
        expect(differenceOf(gradient, plain[i] ?? dy)).toBeLessThan(2e-6);
      }
    }
  });

  it.each([
    { why: "scores", channels: 256 },
    { why: "scores, many more than values", channels: 32 },
    { why: "scores of narrow heads", channels: 16 },
    { why: "scores of narrow heads, many more than values", channels: 4 },
  ])("registers the same where there are many $why", ({ channels }) => {
    const [q, k, v, dy] = [1, 2, 3, 4].map((seed) => noiseOf([2, 130, channels], seed));
    if (!q || !k || !v || !dy) throw new Error("expected four");
    const call = (...x: tf.Tensor[]): tf.Tensor =>
      attention(x[0] ?? q, { key: x[1] ?? k, value: x[2] ?? v }, 2);
    const plain = tf.grads(call)([q, k, v], dy);
    for (const [i, gradient] of registered([q, k, v], dy, 2).entries()) {
      expect(differenceOf(gradient, plain[i] ?? dy)).toBeLessThan(1e-5);
    }
  });

  it("keeps what gradients need where they will be asked, if a backend would recompute it", () => {
    const dy = noiseOf([2, 3, 4], 7);
    const call = (...x: tf.Tensor[]): tf.Tensor =>
      attention(x[0] ?? query, { key: x[1] ?? key, value: x[2] ?? value }, 2);
    const plain = tf.grads(call)([query, key, value], dy);
    const kernelFunc = (): never => {
      throw new Error("the fused kernel was called");
    };
    tf.registerKernel({ kernelName: attentionKernel, backendName: "cpu", kernelFunc });
    try {
      expect(() => call()).toThrow("the fused kernel was called");
      const kept = withBackwardPass(() => tf.grads(call)([query, key, value], dy));
      for (const [i, gradient] of kept.entries()) {
        expect(differenceOf(gradient, plain[i] ?? dy)).toBeLessThan(2e-6);
      }
    } finally {
      tf.unregisterKernel(attentionKernel, "cpu");
    }
  });

  it("leaves no tensor behind", () => {
    expect(leakOf(() => attention(query, { key, value }, 2))).toBe(0);
  });

  it("refuses other batches, widths, numbers of tokens, and heads that do not divide", () => {
    const call =
      (k: readonly number[], v: readonly number[], heads = 2) =>
      () =>
        attention(query, { key: noiseOf(k), value: noiseOf(v) }, heads);
    const message = "attention: expected one batch and one width";
    expect(call([1, 5, 4], [2, 5, 4])).toThrow(message);
    expect(call([2, 5, 4], [1, 5, 4])).toThrow(message);
    expect(call([2, 5, 2], [2, 5, 4])).toThrow(message);
    expect(call([2, 5, 4], [2, 5, 2])).toThrow(message);
    expect(call([2, 5, 4], [2, 6, 4])).toThrow(message);
    expect(call([2, 5, 4], [2, 5, 4], 3)).toThrow(message);
    expect(call([5, 4], [2, 5, 4])).toThrow("key: expected [batch, tokens, channels]");
  });
});

describe("headParts", () => {
  const parts = (heads: number, scoresPerHead: number): number[] =>
    headParts({ heads, scoresPerHead });

  it("takes as many heads at a time as 4 Mi scores allow, and one at least", () => {
    expect(parts(8, 100)).toEqual([8]);
    expect(parts(8, 2 ** 19)).toEqual([8]);
    expect(parts(8, 2 ** 19 + 1)).toEqual([7, 1]);
    expect(parts(8, 2 ** 20)).toEqual([4, 4]);
    expect(parts(3, 2 ** 23)).toEqual([1, 1, 1]);
  });
});

describe("attentionGradients", () => {
  it.each(["tokens-first", "channels-first"] as const)(
    "gives the same whether heads, %s, are taken at once or in parts",
    (form) => {
      const shapes = { query: 3, key: 5, value: 5, dOutput: 3 };
      const headsOf = (tokens: number, channels: number, seed: number): tf.Tensor =>
        noiseOf(
          [2, 2, ...(form === "tokens-first" ? [tokens, channels] : [channels, tokens])],
          seed,
        );
      const [q, k, v, dOutput] = Object.values(shapes).map((tokens, i) => headsOf(tokens, 4, i));
      if (!q || !k || !v || !dOutput) throw new Error("expected four");
      const along = { alongOutput: headsOf(3, 1, 9) };
      const heads = { form, query: q, key: k, value: v, dOutput, ...along };
      const whole = attentionGradients(heads, [4]);
      for (const sizes of [
        [1, 3],
        [2, 2],
        [1, 1, 1, 1],
      ]) {
        const parts = attentionGradients(heads, sizes);
        for (const name of ["query", "key", "value"] as const) {
          expect(differenceOf(parts[name], whole[name]), name).toBeLessThan(1e-6);
        }
      }
    },
  );
});

describe("repeatedContext", () => {
  it("gives items in a row the context of their batch", () => {
    const context = tf.tensor3d([[[1, 2]], [[3, 4]]]);
    expect(repeatedContext(context, 2).arraySync()).toEqual([
      [[1, 2]],
      [[1, 2]],
      [[3, 4]],
      [[3, 4]],
    ]);
  });
});
