import { describe, expect, it } from "vitest";
import {
  float32Values,
  hostTensor,
  isFinite32,
  latentSizes,
  outputValues,
  sizeOf,
} from "./host-tensors.js";

describe("hostTensor", () => {
  it("refuses a shape that does not fit its values", () => {
    expect(hostTensor([2, 1], new Float32Array(2)).shape).toEqual([2, 1]);
    expect(() => hostTensor([2, 2], new Float32Array(3))).toThrow("expected [2,2], got 3 values");
    expect(sizeOf([])).toBe(1);
  });
});

describe("float32Values", () => {
  it("refuses integers, and outputValues a missing output", () => {
    const integers = { shape: [1], data: new Int32Array(1) };
    expect(() => float32Values(integers)).toThrow("got int32");
    expect(() => outputValues({ a: integers }, "b")).toThrow("expected b, got a");
  });
});

describe("latentSizes", () => {
  it("names the axes of one clip's latents, and refuses all else", () => {
    const latents = { shape: [1, 4, 8, 2, 3], data: new Float32Array(192) };
    expect(latentSizes(latents)).toEqual({ channels: 4, frames: 8, height: 2, width: 3 });
    expect(() => latentSizes({ ...latents, shape: [2, 4, 4, 2, 3] })).toThrow("expected [1");
    expect(() => latentSizes({ ...latents, shape: [4, 8, 2, 3] })).toThrow("expected [1");
  });
});

describe("isFinite32", () => {
  it("finds the first value that is no number", () => {
    expect(isFinite32(new Float32Array([1, -2]))).toBe(true);
    expect(isFinite32(new Float32Array([1, Number.NaN]))).toBe(false);
    expect(isFinite32(new Float32Array([Number.NEGATIVE_INFINITY]))).toBe(false);
  });
});
