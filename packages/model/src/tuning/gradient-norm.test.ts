import { describe, expect, it } from "vitest";
import {
  clipFactor,
  gradientNorm,
  shardCount,
  shardRanges,
  sumOfSquares,
  vectorNorm,
} from "./gradient-norm.js";

describe("shardRanges", () => {
  it.each([0, 1, 63, 64, 65, 301_920])("cuts %i values without gap or overlap", (length) => {
    const ranges = shardRanges(length);
    expect(ranges).toHaveLength(shardCount);
    let end = 0;
    for (const range of ranges) {
      expect(range.begin).toBe(end);
      expect(range.end - range.begin).toBeLessThanOrEqual(Math.ceil(length / shardCount));
      end = range.end;
    }
    expect(end).toBe(length);
  });
});

describe("sumOfSquares", () => {
  const vector = Float32Array.of(1, 2, 3, 4);

  it("sums its range alone", () => {
    expect(sumOfSquares(vector, { begin: 1, end: 3 })).toBe(13);
    expect(sumOfSquares(vector, { begin: 2, end: 2 })).toBe(0);
  });

  it("keeps what float32 would lose", () => {
    const uneven = Float32Array.of(2 ** 13, 1, 1, 1);
    expect(sumOfSquares(uneven, { begin: 0, end: 4 })).toBe(2 ** 26 + 3);
  });

  it("is not finite if a value is not", () => {
    expect(sumOfSquares(Float32Array.of(1, Number.NaN), { begin: 0, end: 2 })).toBeNaN();
  });
});

describe("vectorNorm", () => {
  it("is the root of the sum of all squares, shard by shard", () => {
    expect(vectorNorm(Float32Array.of(3, 4))).toBe(5);
    expect(gradientNorm([9, 0, 16])).toBe(5);
    const long = new Float32Array(1000).fill(0.1);
    expect(vectorNorm(long)).toBeCloseTo(Math.sqrt(10), 6);
  });
});

describe("clipFactor", () => {
  it("leaves a gradient alone whose norm is below the limit", () => {
    expect([0, 0.5, 0.99].map((norm) => clipFactor(norm, { normMax: 1 }))).toEqual([1, 1, 1]);
  });

  it("shrinks one whose norm is above it", () => {
    expect(clipFactor(4, { normMax: 1 })).toBeCloseTo(0.25, 6);
    expect(clipFactor(1, { normMax: 1 })).toBe(Math.fround(1 / 1.000001));
  });
});
