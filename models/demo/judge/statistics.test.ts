import { describe, expect, it } from "vitest";
import { estimated, mean, median, shareOf } from "./statistics.js";

describe("median", () => {
  it("is the middle, or the mean of the two in the middle", () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
  });
});

describe("estimated", () => {
  const groups = Array.from({ length: 12 }, (_, clip) => [clip, clip + 0.5]);

  it("gives the figure of all values, within an interval, the same each time", () => {
    const estimate = estimated(groups, mean);
    expect(estimate.value).toBe(5.75);
    expect(estimate.low).toBeLessThan(5.75);
    expect(estimate.high).toBeGreaterThan(5.75);
    expect(estimated(groups, mean)).toEqual(estimate);
  });

  it("has the interval of the standard error of means, about", () => {
    const { low, high } = estimated(groups, mean);
    const deviation = Math.sqrt(143 / 12);
    expect((high - low) / 2).toBeGreaterThan((1.6 * deviation) / Math.sqrt(12));
    expect((high - low) / 2).toBeLessThan((2.3 * deviation) / Math.sqrt(12));
  });

  it("draws whole groups: values that are alike within a clip add nothing", () => {
    const repeated = groups.map((values) => [...values, ...values, ...values]);
    expect(estimated(repeated, mean)).toEqual(estimated(groups, mean));
  });

  it("has no interval for one clip, and leaves clips without values out", () => {
    expect(estimated([[1, 2], []], mean)).toEqual({ value: 1.5, low: 1.5, high: 1.5 });
  });

  it("draws more groups than one row of dice has throws", () => {
    const many = Array.from({ length: 150 }, (_, clip) => [clip]);
    expect(estimated(many, mean).value).toBe(74.5);
  });
});

describe("shareOf", () => {
  const rights = (right: number, count: number): readonly boolean[] =>
    Array.from({ length: count }, (_, index) => index < right);

  it("has Wilson's interval", () => {
    const { value, low, high } = shareOf(rights(8, 10));
    expect(value).toBe(0.8);
    expect(low).toBeCloseTo(0.4902, 4);
    expect(high).toBeCloseTo(0.9433, 4);
  });

  it("does not take all of a few for certain", () => {
    const { value, low, high } = shareOf(rights(64, 64));
    expect([value, high]).toEqual([1, 1]);
    expect(low).toBeCloseTo(0.9434, 4);
  });
});
