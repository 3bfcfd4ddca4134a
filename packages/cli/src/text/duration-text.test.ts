import { describe, expect, it } from "vitest";
import { durationText, rateText } from "./duration-text.js";

describe("durationText", () => {
  it.each([
    [0, "0.0 s"],
    [840, "0.8 s"],
    [9940, "9.9 s"],
    [9960, "10 s"],
    [59_400, "59 s"],
    [59_600, "1 min 0 s"],
    [185_000, "3 min 5 s"],
    [3_600_000, "1 h 0 min"],
    [47 * 3_600_000, "47 h 0 min"],
    [50 * 3_600_000, "2 d 2 h"],
  ])("says %d ms as %s", (milliseconds, text) => {
    expect(durationText(milliseconds)).toBe(text);
  });
});

describe("rateText", () => {
  it("says fast work by the second, and slow work by the piece", () => {
    expect(rateText(21, { milliseconds: 5000 })).toBe("4.2/s");
    expect(rateText(5, { milliseconds: 60_000 })).toBe("12 s each");
    expect(rateText(0, { milliseconds: 60_000 })).toBe("");
    expect(rateText(3, { milliseconds: 0 })).toBe("");
  });
});
