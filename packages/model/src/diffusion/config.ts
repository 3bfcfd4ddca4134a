/** What the noise schedule depends on, read from `scheduler/scheduler_config.json`. */
export interface ScheduleConfig {
  readonly timestepCount: number;
  readonly betaStart: number;
  readonly betaEnd: number;
  readonly betaSchedule: "linear" | "scaled_linear" | "squaredcos_cap_v2";
  /** What the network predicts: the noise, or the velocity. */
  readonly predictionType: "epsilon" | "v_prediction";
  /** Added to every sampling timestep. */
  readonly stepsOffset: number;
  /** Whether the last sampling step ends without noise, or at the noise of timestep 0. */
  readonly setAlphaToOne: boolean;
}
