import { ShapeError } from "@retake/errors";
import { describe, expect, it } from "vitest";
import { denoisedLatents, impliedLatents, invertedLatents } from "./ddim.js";
import { noisedLatents, tuningTarget } from "./noising.js";
import type { Schedule } from "./schedule.js";

// Four timesteps, two iterations: 3 -> 1 -> end. Signal and noise are 0.8 and 0.6 at timestep 1,
// 0.6 and 0.8 at timestep 3.
const schedule: Schedule = {
  betas: new Float32Array(4),
  alphasCumprod: Float32Array.of(0.96, 0.64, 0.5, 0.36),
  finalAlphaCumprod: 0.96,
  timestepCount: 4,
  stepsOffset: 1,
  predictionType: "epsilon",
};
const velocity: Schedule = { ...schedule, predictionType: "v_prediction" };
const samplingCount = 2;
const clean = Float32Array.of(1, -2, 0.5);
const noise = Float32Array.of(0.25, 1, -1);
const latentsAt = (timestep: number): Float32Array =>
  noisedLatents(schedule, { latents: clean, noise, timesteps: [timestep] });
const rounded = (values: Float32Array): number[] =>
  Array.from(values, (value) => Number(value.toFixed(5)));

describe.each([schedule, velocity])("with prediction type $predictionType", (each) => {
  const prediction = (timestep: number): Float32Array =>
    tuningTarget(each, { latents: clean, noise, timesteps: [timestep] });
  const step = (at: number, timestep: number) => ({
    latents: latentsAt(at),
    prediction: prediction(at),
    timestep,
    samplingCount,
  });

  it("denoises to the level before, given a true prediction", () => {
    expect(rounded(denoisedLatents(each, step(3, 3)))).toEqual(rounded(latentsAt(1)));
  });

  it("ends at the final share of signal", () => {
    expect(rounded(denoisedLatents(each, step(1, 1)))).toEqual(rounded(latentsAt(0)));
  });

  it("inverts from the level before, given a true prediction for the origin", () => {
    expect(rounded(invertedLatents(each, step(1, 3)))).toEqual(rounded(latentsAt(3)));
    expect(rounded(invertedLatents(each, step(0, 1)))).toEqual(rounded(latentsAt(1)));
  });

  it("implies the clean latents", () => {
    expect(rounded(impliedLatents(each, step(3, 3)))).toEqual(rounded(clean));
  });
});

describe("denoisedLatents", () => {
  it("refuses a prediction of another size", () => {
    const step = { latents: clean, prediction: new Float32Array(2), timestep: 3, samplingCount };
    expect(() => denoisedLatents(schedule, step)).toThrow(ShapeError);
  });

  it("undoes an inversion that was given the same prediction", () => {
    const step = { latents: clean, prediction: noise, timestep: 3, samplingCount };
    const there = invertedLatents(schedule, step);
    expect(rounded(denoisedLatents(schedule, { ...step, latents: there }))).toEqual(rounded(clean));
  });
});
