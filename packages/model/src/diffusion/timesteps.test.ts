import { describe, expect, it } from "vitest";
import type { Schedule } from "./schedule.js";
import { firstSamplingIndex, samplingTimesteps, timestepBefore } from "./timesteps.js";

const schedule = (changes: Partial<Schedule> = {}): Schedule => ({
  betas: new Float32Array(),
  alphasCumprod: new Float32Array(),
  finalAlphaCumprod: 1,
  timestepCount: 1000,
  stepsOffset: 1,
  predictionType: "epsilon",
  ...changes,
});

describe("samplingTimesteps", () => {
  it("counts down from the noisiest timestep by even leaps", () => {
    expect(samplingTimesteps(schedule(), 5)).toEqual([801, 601, 401, 201, 1]);
    expect(samplingTimesteps(schedule({ stepsOffset: 0 }), 2)).toEqual([500, 0]);
    expect(samplingTimesteps(schedule(), 1)).toEqual([1]);
  });

  it("leaves the noisiest timesteps out where the count does not divide the schedule", () => {
    expect(samplingTimesteps(schedule(), 7)).toEqual([853, 711, 569, 427, 285, 143, 1]);
  });

  it("takes as many as fit and refuses one more, none, and fractions", () => {
    expect(samplingTimesteps(schedule({ stepsOffset: 0 }), 1000)[0]).toBe(999);
    expect(samplingTimesteps(schedule(), 999)[0]).toBe(999);
    expect(() => samplingTimesteps(schedule(), 1000)).toThrow(/from 1 to 999, got 1000/);
    for (const count of [0, -1, 2.5, 1001, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => samplingTimesteps(schedule(), count)).toThrow(/sampling steps: expected/);
    }
  });

  it("stays inside the schedule and falls, for every count", () => {
    for (let count = 1; count < 1000; count += 1) {
      const timesteps = samplingTimesteps(schedule(), count);
      expect(timesteps).toHaveLength(count);
      expect(Math.max(...timesteps)).toBeLessThan(1000);
      expect(timesteps.at(-1)).toBe(1);
    }
  });
});

describe("timestepBefore", () => {
  it("is the next of the sampling timesteps, and below zero at the end", () => {
    const timesteps = samplingTimesteps(schedule(), 7);
    const before = timesteps.map((timestep) =>
      timestepBefore(schedule(), { timestep, samplingCount: 7 }),
    );
    expect(before).toEqual([...timesteps.slice(1), -141]);
  });
});

describe("firstSamplingIndex", () => {
  it.each([
    [1, 0],
    [0.5, 5],
    [0.75, 3],
    [0.1, 9],
    [0.01, 9],
  ])("for strength %f of ten iterations begins at %i", (strength, index) => {
    expect(firstSamplingIndex(10, { strength })).toBe(index);
  });

  it.each([0, -0.5, 1.01, Number.NaN])("refuses strength %f", (strength) => {
    expect(() => firstSamplingIndex(10, { strength })).toThrow(/strength: expected/);
  });
});
