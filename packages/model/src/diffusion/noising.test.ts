import { ShapeError } from "@retake/errors";
import { describe, expect, it } from "vitest";
import { noisedLatents, tuningTarget } from "./noising.js";
import type { Schedule } from "./schedule.js";

// Shares whose roots are exact: sqrt(0.64) = 0.8 of signal and 0.6 of noise, and 0.6 and 0.8.
const schedule: Schedule = {
  betas: new Float32Array(2),
  alphasCumprod: Float32Array.of(0.64, 0.36),
  finalAlphaCumprod: 1,
  timestepCount: 2,
  stepsOffset: 0,
  predictionType: "epsilon",
};
const noising = {
  latents: Float32Array.of(1, 2, 10, 20),
  noise: Float32Array.of(5, 0, 5, -5),
  timesteps: [0, 1],
};
const rounded = (values: Float32Array): number[] =>
  Array.from(values, (value) => Number(value.toFixed(5)));

describe("noisedLatents", () => {
  it("mixes each item as its own timestep says", () => {
    expect(rounded(noisedLatents(schedule, noising))).toEqual([3.8, 1.6, 10, 8]);
  });

  it.each([2, -1, 0.5])("refuses timestep %f, which the schedule does not have", (timestep) => {
    const outside = { ...noising, timesteps: [timestep] };
    expect(() => noisedLatents(schedule, outside)).toThrow(ShapeError);
  });

  it("refuses noise of another size, and items that are not whole", () => {
    const short = { ...noising, noise: new Float32Array(3) };
    expect(() => noisedLatents(schedule, short)).toThrow(/got 4, 3, 2/);
    expect(() => noisedLatents(schedule, { ...noising, timesteps: [0, 0, 0] })).toThrow(ShapeError);
    expect(() => noisedLatents(schedule, { ...noising, timesteps: [] })).toThrow(ShapeError);
  });
});

describe("tuningTarget", () => {
  it("is a copy of the noise", () => {
    const target = tuningTarget(schedule, noising);
    expect(target).toEqual(noising.noise);
    expect(target).not.toBe(noising.noise);
  });

  it("is the velocity where the network predicts velocity", () => {
    const velocity = { ...schedule, predictionType: "v_prediction" } as const;
    expect(rounded(tuningTarget(velocity, noising))).toEqual([3.4, -1.2, -5, -19]);
  });
});
