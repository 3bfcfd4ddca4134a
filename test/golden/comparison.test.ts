import { describe, expect, it } from "vitest";
import { differingCount, lengthOf, relativeError, relativeLength, worstOf } from "./comparison.js";

const endless = Number.POSITIVE_INFINITY;

describe("relativeError", () => {
  it("is the largest difference over the reference's largest value", () => {
    expect(relativeError([1, -3.5], [1, -4])).toBe(0.125);
  });

  it("is endless for another size, NaN, and anything beside a reference of zeros", () => {
    expect(relativeError([1], [1, 2])).toBe(endless);
    expect(relativeError([1, Number.NaN], [1, 2])).toBe(endless);
    expect(relativeError([Number.NaN, 2], [1, 2])).toBe(endless);
    expect(relativeError([0, 1e-9], [0, 0])).toBe(endless);
    expect(relativeError([0, 0], [0, 0])).toBe(0);
  });
});

describe("relativeLength", () => {
  it("is the length of the difference over the reference's", () => {
    expect(relativeLength([3, 4], [0, 4])).toBe(0.75);
    expect(relativeLength([Number.NaN, 4], [0, 4])).toBe(endless);
    expect(relativeLength([3], [0, 4])).toBe(endless);
  });
});

describe("lengthOf", () => {
  it("is Euclid's", () => {
    expect(lengthOf([3, 4])).toBe(5);
  });
});

describe("differingCount", () => {
  it("counts entries that differ, and surplus ones", () => {
    expect(differingCount([1, 2, 3], [1, 0])).toBe(2);
    expect(differingCount([1, 2], [1, 2])).toBe(0);
  });
});

describe("worstOf", () => {
  it("names the largest error, and takes NaN as endless", () => {
    const errors = [["a", 1] as const, ["b", 3] as const, ["c", 2] as const];
    expect(worstOf(errors)).toEqual({ name: "b", error: 3 });
    expect(worstOf([["a", 1] as const, ["b", Number.NaN] as const, ["c", 2] as const])).toEqual({
      name: "b",
      error: endless,
    });
  });

  it("fails when nothing was compared", () => {
    expect(worstOf([]).error).toBe(endless);
  });
});
