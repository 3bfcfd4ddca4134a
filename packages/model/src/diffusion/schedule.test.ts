import { describe, expect, it } from "vitest";
import type { ScheduleConfig } from "./config.js";
import { noiseSchedule, signalShare } from "./schedule.js";

const stableDiffusion: ScheduleConfig = {
  timestepCount: 1000,
  betaStart: 0.00085,
  betaEnd: 0.012,
  betaSchedule: "scaled_linear",
  predictionType: "epsilon",
  stepsOffset: 1,
  setAlphaToOne: false,
};

describe("noiseSchedule", () => {
  it("gives the reference's shares of signal for Stable Diffusion 1.x, to nine digits", () => {
    const { alphasCumprod } = noiseSchedule(stableDiffusion);
    const shares = [0, 1, 21, 41, 481, 961, 981, 999].map((t) => alphasCumprod[t]?.toFixed(9));
    expect(shares).toEqual([
      "0.999149978",
      "0.998296022",
      "0.980380654",
      "0.960872650",
      "0.302295446",
      "0.007281722",
      "0.005775496",
      "0.004660095",
    ]);
  });

  it("counts betas evenly on the linear schedule", () => {
    const config = { ...stableDiffusion, betaSchedule: "linear", timestepCount: 3 } as const;
    const { betas } = noiseSchedule({ ...config, betaStart: 0.25, betaEnd: 0.75 });
    expect(Array.from(betas)).toEqual([0.25, 0.5, 0.75]);
  });

  it("multiplies what each timestep leaves of the signal", () => {
    const config = { ...stableDiffusion, betaSchedule: "linear", timestepCount: 3 } as const;
    const { alphasCumprod } = noiseSchedule({ ...config, betaStart: 0.25, betaEnd: 0.75 });
    expect(Array.from(alphasCumprod)).toEqual([0.75, 0.375, 0.09375]);
  });

  it("follows a squared cosine, and caps its last beta", () => {
    const config = { ...stableDiffusion, betaSchedule: "squaredcos_cap_v2" } as const;
    const { betas, alphasCumprod } = noiseSchedule(config);
    const share = (time: number): number => Math.cos((((time + 0.008) / 1.008) * Math.PI) / 2) ** 2;
    expect(betas[999]).toBe(Math.fround(0.999));
    expect(alphasCumprod[499]).toBeCloseTo(share(0.5) / share(0), 5);
  });

  it("makes a schedule of a single timestep", () => {
    const { betas } = noiseSchedule({ ...stableDiffusion, timestepCount: 1 });
    expect(betas[0]).toBeCloseTo(0.00085, 8);
  });

  it("ends sampling at timestep 0, or without noise where the config says so", () => {
    const ending = noiseSchedule(stableDiffusion);
    expect(signalShare(ending, -19)).toBe(ending.alphasCumprod[0]);
    expect(signalShare(noiseSchedule({ ...stableDiffusion, setAlphaToOne: true }), -1)).toBe(1);
  });
});

describe("signalShare", () => {
  it("is not a number past the last timestep", () => {
    expect(signalShare(noiseSchedule(stableDiffusion), 1000)).toBeNaN();
  });
});
