import { ShapeError } from "@retake/errors";
import { describe, expect, it } from "vitest";
import { posteriorLatents } from "./posterior.js";

const latentScale = 0.5;
const moments = { mean: Float32Array.of(1, -2), logVariance: Float32Array.of(0, 2 * Math.LN2) };

describe("posteriorLatents", () => {
  it("is the scaled mean without noise", () => {
    expect(Array.from(posteriorLatents(moments, { latentScale }))).toEqual([0.5, -1]);
  });

  it("adds noise as wide as the deviation: the root of the variance", () => {
    const noise = Float32Array.of(3, 3);
    const latents = posteriorLatents(moments, { latentScale, noise });
    expect(Array.from(latents, (value) => Number(value.toFixed(5)))).toEqual([2, 2]);
  });

  it("clamps the log-variance at both ends", () => {
    const mean = new Float32Array(4);
    const logVariance = Float32Array.of(-31, -30, 20, 21);
    const noise = new Float32Array(4).fill(1);
    const latents = posteriorLatents({ mean, logVariance }, { latentScale: 1, noise });
    expect(latents[0]).toBe(latents[1]);
    expect(latents[2]).toBe(latents[3]);
    expect(latents[2]).toBeCloseTo(Math.exp(10), 1);
  });

  it("refuses moments and noise of several sizes", () => {
    const noise = new Float32Array(1);
    expect(() => posteriorLatents(moments, { latentScale, noise })).toThrow(ShapeError);
  });
});
