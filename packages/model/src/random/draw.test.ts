import { describe, expect, it } from "vitest";
import { createDraw } from "./draw.js";

const options = {
  seed: 33,
  step: 4,
  drawIndex: 1,
  latentShape: [1, 4, 2, 3, 5],
  timestepCount: 1000,
};

describe("createDraw", () => {
  it("gives a timestep of the schedule and two noises of the latents' size", () => {
    const draw = createDraw(options);
    expect(draw.timestep).toBeGreaterThanOrEqual(0);
    expect(draw.timestep).toBeLessThan(1000);
    expect([draw.noise.length, draw.posteriorNoise.length]).toEqual([120, 120]);
    expect(draw.noise).not.toEqual(draw.posteriorNoise);
  });

  it("gives the same numbers again", () => {
    expect(createDraw({ ...options })).toEqual(createDraw(options));
  });

  it("gives other numbers for another seed, step, or draw, and never swaps the last two", () => {
    const noises = [
      createDraw(options),
      createDraw({ ...options, seed: 34 }),
      createDraw({ ...options, step: 5 }),
      createDraw({ ...options, drawIndex: 2 }),
      createDraw({ ...options, step: 1, drawIndex: 4 }),
    ].map((draw) => draw.noise.join());
    expect(new Set(noises).size).toBe(noises.length);
  });

  it("spreads its timesteps over the whole schedule", () => {
    const small = { ...options, latentShape: [1] };
    const timesteps = Array.from(
      { length: 2000 },
      (_, step) => createDraw({ ...small, step }).timestep,
    );
    expect(Math.min(...timesteps)).toBeLessThan(10);
    expect(Math.max(...timesteps)).toBeGreaterThan(989);
    const mean = timesteps.reduce((sum, timestep) => sum + timestep, 0) / timesteps.length;
    expect(Math.abs(mean - 499.5)).toBeLessThan(25);
  });
});
