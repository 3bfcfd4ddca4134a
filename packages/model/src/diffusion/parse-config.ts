import {
  booleanField,
  choiceField,
  configSource,
  integerField,
  numberField,
  refuseField,
} from "../config-fields.js";
import type { ScheduleConfig } from "./config.js";

/**
 * Reads `scheduler/scheduler_config.json`. The class it names does not matter: noising is DDPM's,
 * sampling and inversion are DDIM's. Absent fields take the values of the library's
 * `DDIMScheduler`, except that predictions are never clipped: latents have no bounds.
 *
 * @throws RetakeError  `config-unsupported`, naming the field, what was expected and what came
 */
export function parseScheduleConfig(json: unknown): ScheduleConfig {
  const source = configSource("scheduler/scheduler_config.json", json);
  refuseField(source, "trained_betas", []);
  refuseField(source, "clip_sample", [false]);
  refuseField(source, "thresholding", [false]);
  refuseField(source, "rescale_betas_zero_snr", [false]);
  refuseField(source, "timestep_spacing", ["leading"]);
  const beta = { min: 1e-9, max: 0.999 };
  const timestepCount = integerField(source, "num_train_timesteps", {
    min: 1,
    max: 100_000,
    fallback: 1000,
  });
  return {
    timestepCount,
    betaStart: numberField(source, "beta_start", { ...beta, fallback: 0.0001 }),
    betaEnd: numberField(source, "beta_end", { ...beta, fallback: 0.02 }),
    betaSchedule: choiceField(source, "beta_schedule", {
      choices: ["linear", "scaled_linear", "squaredcos_cap_v2"],
      fallback: "linear",
    }),
    predictionType: choiceField(source, "prediction_type", {
      choices: ["epsilon", "v_prediction"],
      fallback: "epsilon",
    }),
    stepsOffset: integerField(source, "steps_offset", {
      min: 0,
      max: timestepCount - 1,
      fallback: 0,
    }),
    setAlphaToOne: booleanField(source, "set_alpha_to_one", true),
  };
}
