import { describe, expect, it } from "vitest";
import {
  angleMax,
  exponential,
  exponentMax,
  logarithmOfUniform,
  sineAndCosine,
} from "./elementary.js";

const twoTo32 = 2 ** 32;
/** A spread of words that hits small, large and middle ones. */
const words = Array.from({ length: 100_000 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 0);

describe("logarithmOfUniform", () => {
  it("agrees with Math.log to 5e-16 relative, at both ends and between", () => {
    let worst = 0;
    for (const word of [0, 1, 2, 3, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, ...words]) {
      const expected = Math.log((word + 0.5) / twoTo32);
      worst = Math.max(worst, Math.abs(logarithmOfUniform(word) / expected - 1));
    }
    expect(worst).toBeLessThan(5e-16);
  });

  it("is negative for every word, so that a square root of its negative exists", () => {
    expect(logarithmOfUniform(0xffffffff)).toBeLessThan(0);
    expect(logarithmOfUniform(0)).toBeCloseTo(-33 * Math.LN2, 12);
  });
});

describe("exponential", () => {
  it("agrees with Math.exp to 4e-16 relative between its limits", () => {
    let worst = 0;
    for (let x = -exponentMax; x <= exponentMax; x += 0.01171) {
      worst = Math.max(worst, Math.abs(exponential(x) / Math.exp(x) - 1));
    }
    expect(worst).toBeLessThan(4e-16);
  });

  it("is exact at zero, and ends in infinity, zero and NaN beyond its limits", () => {
    expect([0, 701, -701].map(exponential)).toEqual([1, Number.POSITIVE_INFINITY, 0]);
    expect(exponential(Number.NaN)).toBeNaN();
    expect(exponential(Number.NEGATIVE_INFINITY)).toBe(0);
  });
});

describe("sineAndCosine", () => {
  it("agrees with Math.sin and Math.cos to 3e-16, over many turns in both directions", () => {
    let worst = 0;
    for (const word of words) {
      const angle = (word / twoTo32 - 0.5) * (word % 3 === 0 ? 2 * angleMax : 20);
      const [sine, cosine] = sineAndCosine(angle);
      worst = Math.max(worst, Math.abs(sine - Math.sin(angle)), Math.abs(cosine - Math.cos(angle)));
    }
    expect(worst).toBeLessThan(3e-16);
  });

  it("is exact at zero and refuses angles that it cannot reduce", () => {
    expect(sineAndCosine(0)).toEqual([0, 1]);
    expect(sineAndCosine(angleMax * 1.01)).toEqual([Number.NaN, Number.NaN]);
    expect(sineAndCosine(Number.NaN)).toEqual([Number.NaN, Number.NaN]);
  });
});
