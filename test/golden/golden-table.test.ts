import { describe, expect, it } from "vitest";
import { summaryLine, tableLine } from "./golden-table.js";
import type { Measured } from "./measurement.js";

const measured = (error: number, tolerance: number): Measured => ({
  kind: "measured",
  group: "unet",
  name: "a/out",
  quantity: "output",
  error,
  tolerance,
});
const skipped = { kind: "skipped", group: "vae", name: "b", reason: "there is none" } as const;

describe("tableLine", () => {
  it("passes an error at the tolerance and fails one past it", () => {
    expect(tableLine(measured(2e-5, 2e-5))).toMatch(/unet a\/out +output +2.0e-5 .* 1.000 {2}pass/);
    expect(tableLine(measured(2.1e-5, 2e-5))).toMatch(/1.050 {2}FAIL/);
  });

  it("fails what is not finite or no number", () => {
    expect(tableLine(measured(Number.POSITIVE_INFINITY, 1))).toMatch(/FAIL/);
    expect(tableLine(measured(Number.NaN, 1))).toMatch(/FAIL/);
  });

  it("passes an exact agreement where nothing is tolerated", () => {
    expect(tableLine(measured(0, 0))).toMatch(/0.000 {2}pass/);
    expect(tableLine(measured(1, 0))).toMatch(/Infinity {2}FAIL/);
  });

  it("says why a case was skipped", () => {
    expect(tableLine(skipped)).toMatch(/vae b +skipped: there is none/);
  });
});

describe("summaryLine", () => {
  it("counts comparisons, not skipped cases", () => {
    const rows = [measured(1, 2), measured(3, 2), skipped];
    expect(summaryLine(rows)).toBe("1 of 2 within tolerance");
  });
});
