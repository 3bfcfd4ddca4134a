import { RetakeError } from "@retake/errors";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseScheduleConfig } from "./parse-config.js";

const stableDiffusion = {
  _class_name: "PNDMScheduler",
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: "scaled_linear",
  num_train_timesteps: 1000,
  set_alpha_to_one: false,
  skip_prk_steps: true,
  steps_offset: 1,
  trained_betas: null,
  clip_sample: false,
};

describe("parseScheduleConfig", () => {
  it("reads Stable Diffusion 1.x's config", () => {
    expect(parseScheduleConfig(stableDiffusion)).toEqual({
      timestepCount: 1000,
      betaStart: 0.00085,
      betaEnd: 0.012,
      betaSchedule: "scaled_linear",
      predictionType: "epsilon",
      stepsOffset: 1,
      setAlphaToOne: false,
    });
  });

  it("fills in the library's defaults", () => {
    expect(parseScheduleConfig({})).toEqual({
      timestepCount: 1000,
      betaStart: 0.0001,
      betaEnd: 0.02,
      betaSchedule: "linear",
      predictionType: "epsilon",
      stepsOffset: 0,
      setAlphaToOne: true,
    });
  });

  it("reads v-prediction", () => {
    const config = { ...stableDiffusion, prediction_type: "v_prediction" };
    expect(parseScheduleConfig(config).predictionType).toBe("v_prediction");
  });

  it.each([
    [{ trained_betas: [0.1] }, "trained_betas"],
    [{ clip_sample: true }, "clip_sample"],
    [{ thresholding: true }, "thresholding"],
    [{ rescale_betas_zero_snr: true }, "rescale_betas_zero_snr"],
    [{ timestep_spacing: "trailing" }, "timestep_spacing"],
    [{ beta_schedule: "sigmoid" }, "beta_schedule"],
    [{ prediction_type: "sample" }, "prediction_type"],
    [{ num_train_timesteps: 0 }, "num_train_timesteps"],
    [{ steps_offset: 1000 }, "steps_offset"],
    [{ beta_end: 1 }, "beta_end"],
  ])("refuses %j and names the field", (changes, field) => {
    const parse = () => parseScheduleConfig({ ...stableDiffusion, ...changes });
    expect(parse).toThrow(`scheduler/scheduler_config.json: ${field}`);
  });

  it("either reads a config or throws a RetakeError, whatever one field holds", () => {
    const field = fc.constantFrom(...Object.keys(stableDiffusion), "prediction_type");
    fc.assert(
      fc.property(field, fc.jsonValue(), (name, value) => {
        try {
          parseScheduleConfig({ ...stableDiffusion, [name]: value });
        } catch (error) {
          expect(error).toBeInstanceOf(RetakeError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
