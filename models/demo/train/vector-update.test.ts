import { applyAdamW, vectorNorm } from "@retake/model/tuning";
import { describe, expect, it } from "vitest";
import { sharedVectors, startVectors } from "./training-vectors.js";
import { reduceGradients, shardsOf, updateVectors } from "./vector-update.js";

const length = 1000;
const wave = (phase: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(phase + 0.7 * i));
const settings = { learningRate: 0.1, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.01 };
const shares = [0, 1].map((index) => ({ index, count: 2 }));

describe("shardsOf", () => {
  it("gives every value to exactly one worker", () => {
    const shards = shares.flatMap((share) => shardsOf(length, share));
    const ends = shards.map(({ end }) => end);
    expect(shards.map(({ begin }) => begin)).toEqual([0, ...ends.slice(0, -1)]);
    expect(ends.at(-1)).toBe(length);
  });
});

describe("a step by two workers", () => {
  it("is AdamW on the sum of their gradients, to the bit", () => {
    const vectors = sharedVectors(startVectors(wave(0)), 2);
    const whole = startVectors(wave(0));
    for (let step = 0; step < 3; step += 1) {
      vectors.gradients.forEach((gradient, worker) => {
        gradient.set(wave(step + worker));
      });
      const sum = wave(step).map((value, i) => value + (wave(step + 1)[i] ?? 0));
      const sums = shares.flatMap((share) => reduceGradients(vectors, shardsOf(length, share)));
      expect(Math.sqrt(sums.reduce((a, b) => a + b, 0))).toBe(vectorNorm(sum));
      const update = { step, clipFactor: 0.5, settings, averageKeep: 0.75 };
      for (const share of shares) updateVectors(vectors, shardsOf(length, share), update);
      applyAdamW(whole, { gradient: sum, clipFactor: 0.5, step }, settings);
    }
    expect(vectors.weights).toEqual(whole.weights);
    expect(vectors.secondMoment).toEqual(whole.secondMoment);
  });

  it("takes a share of the weights into their average", () => {
    const vectors = sharedVectors(startVectors(wave(0)), 1);
    const update = { step: 0, clipFactor: 1, settings, averageKeep: 0.75 };
    vectors.gradients[0]?.fill(1);
    updateVectors(vectors, shardsOf(length, { index: 0, count: 1 }), update);
    const expected = wave(0).map((start, i) => start + 0.25 * ((vectors.weights[i] ?? 0) - start));
    expect(vectors.average).toEqual(expected);
  });
});
