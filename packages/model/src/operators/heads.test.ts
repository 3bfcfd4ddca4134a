import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { differenceOf, noiseOf } from "../testing/tensors.js";
import {
  formOfHeads,
  type HeadForm,
  headAxes,
  joinHeads,
  splitHeads,
  tokenProducts,
  weightedBack,
  weightedTokens,
} from "./heads.js";

const forms: readonly HeadForm[] = ["tokens-first", "channels-first"];

describe("formOfHeads", () => {
  it("takes channels first up to 8 of them", () => {
    expect([4, 8, 9, 40].map(formOfHeads)).toEqual([
      ...["channels-first", "channels-first", "tokens-first", "tokens-first"],
    ]);
  });
});

describe("splitHeads", () => {
  it("gives each head its own channels, in either form", () => {
    const x = tf.tensor3d([
      [
        [1, 2, 3, 4],
        [5, 6, 7, 8],
      ],
    ]);
    expect(splitHeads(x, 2, "tokens-first").arraySync()).toEqual([
      [
        [
          [1, 2],
          [5, 6],
        ],
        [
          [3, 4],
          [7, 8],
        ],
      ],
    ]);
    expect(splitHeads(x, 2, "channels-first").arraySync()).toEqual([
      [
        [
          [1, 5],
          [2, 6],
        ],
        [
          [3, 7],
          [4, 8],
        ],
      ],
    ]);
  });
});

describe("joinHeads", () => {
  it.each(forms)("undoes splitHeads, %s", (form) => {
    const x = noiseOf([2, 3, 12], 1);
    expect(differenceOf(joinHeads(splitHeads(x, 4, form), form), x)).toBe(0);
  });
});

describe("headAxes", () => {
  it.each(forms)("finds tokens and channels of split heads, %s", (form) => {
    const { shape } = splitHeads(noiseOf([2, 3, 8], 1), 2, form);
    const { tokens, channels } = headAxes(form);
    expect([shape.at(tokens), shape.at(channels)]).toEqual([3, 4]);
  });
});

describe("products of heads", () => {
  // 3 queries and 5 keys, 2 heads of 2 channels.
  const [query, key] = [noiseOf([1, 3, 4], 1), noiseOf([1, 5, 4], 2)];
  const scores = noiseOf([1, 2, 3, 5], 3);

  it("are those of matrices with tokens as rows, in either form", () => {
    const rows = (x: tf.Tensor): tf.Tensor => splitHeads(x, 2, "tokens-first");
    const products = tf.matMul(rows(query), rows(key), false, true);
    const sums = joinHeads(tf.matMul(scores, rows(key)), "tokens-first");
    const back = joinHeads(tf.matMul(scores, rows(query), true, false), "tokens-first");
    for (const form of forms) {
      const [q, k] = [splitHeads(query, 2, form), splitHeads(key, 2, form)];
      expect(differenceOf(tokenProducts(form, q, k), products), form).toBeLessThan(1e-6);
      const weighted = joinHeads(weightedTokens(form, scores, k), form);
      expect(differenceOf(weighted, sums), form).toBeLessThan(1e-6);
      const weightedFromBehind = joinHeads(weightedBack(form, scores, q), form);
      expect(differenceOf(weightedFromBehind, back), form).toBeLessThan(1e-6);
    }
  });
});
