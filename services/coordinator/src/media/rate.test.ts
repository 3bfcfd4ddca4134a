import { describe, expect, it } from "vitest";
import { isRate, parseRate, strided } from "./rate.js";

describe("parseRate", () => {
  it.each([
    ["30000/1001", { numerator: 30000, denominator: 1001 }],
    ["50/2", { numerator: 25, denominator: 1 }],
    ["1000/1", { numerator: 1000, denominator: 1 }],
    ["1001/1", undefined],
    ["0/0", undefined],
    ["0/1", undefined],
    ["-5/1", undefined],
    ["1e3/1", undefined],
    [25, undefined],
  ])("reads %j as %j", (text, rate) => {
    expect(parseRate(text)).toEqual(rate);
  });
});

describe("strided", () => {
  it("divides the rate and keeps it in lowest terms", () => {
    expect(strided({ numerator: 30000, denominator: 1001 }, 2)).toEqual({
      numerator: 15000,
      denominator: 1001,
    });
    expect(strided({ numerator: 25, denominator: 1 }, 3)).toEqual({
      numerator: 25,
      denominator: 3,
    });
  });
});

describe("isRate", () => {
  it("refuses what is no fraction of whole numbers", () => {
    expect(isRate({ numerator: 0.5, denominator: 1 })).toBe(false);
    expect(isRate({ numerator: Number.NaN, denominator: 1 })).toBe(false);
    expect(isRate({ numerator: 1, denominator: 0 })).toBe(false);
    expect(isRate({ numerator: 1, denominator: 2 })).toBe(true);
  });
});
