import { describe, expect, it } from "vitest";
import { averageKeep, learningRate } from "./learning-rate.js";

const settings = { rate: 2, warmupSteps: 4, finalShare: 0.1, steps: 104 };

describe("learningRate", () => {
  it("grows evenly to the rate, in as many steps as the warm-up has", () => {
    expect([0, 1, 2, 3].map((step) => learningRate(step, settings))).toEqual([0.5, 1, 1.5, 2]);
    expect(learningRate(4, settings)).toBeCloseTo(2, 12);
  });

  it("falls along half a cosine to its final share", () => {
    expect(learningRate(54, settings)).toBeCloseTo(2 * 0.55, 12);
    expect(learningRate(104, settings)).toBeCloseTo(0.2, 12);
    expect(learningRate(200, settings)).toBeCloseTo(0.2, 12);
  });
});

describe("averageKeep", () => {
  it("forgets the start at first, then keeps the phase's share", () => {
    const phase = { ...settings, averageKeep: 0.99, batch: 1 };
    expect(averageKeep(0, phase)).toBeCloseTo(0.1, 12);
    expect(averageKeep(89, phase)).toBeCloseTo(90 / 99, 12);
    expect(averageKeep(5000, phase)).toBe(0.99);
  });
});
