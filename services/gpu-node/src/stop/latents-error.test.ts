import { describe, expect, it } from "vitest";
import { hostTensor } from "../tasks/host-tensors.js";
import { latentsError } from "./latents-error.js";

describe("latentsError", () => {
  const clip = (...values: number[]) =>
    hostTensor([1, 1, values.length, 1, 1], Float32Array.from(values));

  it("is the mean squared difference", () => {
    expect(latentsError(clip(1, 2, 3, 4), clip(1, 2, 3, 4))).toBe(0);
    expect(latentsError(clip(1, 2, 3, 4), clip(2, 2, 3, 7))).toBe(2.5);
  });

  it("refuses clips of other shapes", () => {
    expect(() => latentsError(clip(1, 2), clip(1))).toThrow("expected [1,1,2,1,1] twice");
  });
});
