import { describe, expect, it } from "vitest";
import { firstNotFinite, widenTo } from "./half.js";

const widened = (bits: readonly number[], dtype: "F16" | "BF16"): number[] => {
  const target = new Float32Array(bits.length);
  widenTo(target, new Uint8Array(Uint16Array.from(bits).buffer), dtype);
  return [...target];
};

describe("widenTo", () => {
  it("widens halves exactly: normal, subnormal, zero, infinite", () => {
    const bits = [0x3c00, 0xc000, 0x3555, 0x7bff, 0x0400, 0x0001, 0x83ff, 0x7c00, 0xfc00];
    const tiny = 2 ** -24;
    expect(widened(bits, "F16")).toEqual([
      1,
      -2,
      0.333251953125,
      65504,
      2 ** -14,
      tiny,
      -1023 * tiny,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
    ]);
    expect(Object.is(widened([0x8000], "F16")[0], -0)).toBe(true);
    expect(widened([0x7c01, 0xfe00], "F16").every(Number.isNaN)).toBe(true);
  });

  it("gives each finite half a value of its own, growing with its bits", () => {
    const values = widened(
      Array.from({ length: 0x7c00 }, (_, bits) => bits),
      "F16",
    );
    for (let bits = 1; bits < values.length; bits++) {
      expect((values[bits] ?? 0) > (values[bits - 1] ?? 0)).toBe(true);
    }
  });

  it("puts bfloat16 into the upper half of a float32", () => {
    expect(widened([0x3f80, 0xc000, 0x3eab, 0x0001], "BF16")).toEqual([
      1,
      -2,
      0.333984375,
      2 ** -133,
    ]);
  });

  it("copies float32, and bytes that begin at an odd place", () => {
    const target = new Float32Array(1);
    widenTo(target, new Uint8Array(Float32Array.of(1.5).buffer), "F32");
    expect(target[0]).toBe(1.5);
    widenTo(target, Uint8Array.of(9, 0, 0x3c).subarray(1), "F16");
    expect(target[0]).toBe(1);
  });
});

describe("firstNotFinite", () => {
  const bytesOf = (values: readonly number[]) => new Uint8Array(Float32Array.from(values).buffer);

  it("finds the first NaN or infinity of each type", () => {
    expect(firstNotFinite(bytesOf([1, 2, Number.NaN, Number.POSITIVE_INFINITY]), "F32")).toBe(2);
    expect(firstNotFinite(bytesOf([Number.NEGATIVE_INFINITY]), "F32")).toBe(0);
    expect(firstNotFinite(new Uint8Array(Uint16Array.of(0x7bff, 0x7c00).buffer), "F16")).toBe(1);
    expect(firstNotFinite(new Uint8Array(Uint16Array.of(0x7f7f, 0xffc0).buffer), "BF16")).toBe(1);
  });

  it("accepts the largest values, the smallest, and none", () => {
    expect(firstNotFinite(bytesOf([3.4028234e38, 1e-45, -0]), "F32")).toBe(-1);
    expect(firstNotFinite(new Uint8Array(Uint16Array.of(0xfbff, 0x7bff).buffer), "F16")).toBe(-1);
    expect(firstNotFinite(new Uint8Array(), "F32")).toBe(-1);
  });
});
