import { describe, expect, it } from "vitest";
import { ageOfText, bytesOfText, byteText } from "./byte-text.js";

describe("byteText", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [3_400_000, "3.4 MB"],
    [99_960, "100.0 kB"],
    [999_499, "999 kB"],
    [999_500, "1.0 MB"],
    [5e12, "5.0 TB"],
    [5e16, "50000 TB"],
  ])("says %d as %s", (bytes, text) => {
    expect(byteText(bytes)).toBe(text);
  });
});

describe("bytesOfText", () => {
  it("reads sizes with and without a unit", () => {
    const read = (text: string): number => bytesOfText(text, { label: "--max-size" });
    expect(["7", "7B", "2k", "500M", "10GB", "1.5T"].map(read)).toEqual([
      ...[7, 7, 2000, 5e8, 1e10, 1.5e12],
    ]);
    for (const wrong of ["", "M", "-1M", "1e9", "10 G", "5P"]) {
      expect(() => read(wrong)).toThrow("--max-size: expected a size such as 500M");
    }
  });
});

describe("ageOfText", () => {
  it("reads ages with their unit", () => {
    const read = (text: string): number => ageOfText(text, { label: "--older" });
    expect(["90s", "2m", "12h", "1d", "1w"].map(read)).toEqual([
      ...[90e3, 120e3, 43_200e3, 86_400e3, 604_800e3],
    ]);
    for (const wrong of ["", "5", "-5d", "1y", "d"]) {
      expect(() => read(wrong)).toThrow("--older: expected an age such as 12h");
    }
  });
});
