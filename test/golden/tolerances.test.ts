import { describe, expect, it } from "vitest";
import { findTolerance, parseTolerances } from "./tolerances.js";

const rows = parseTolerances([
  { group: "edit", quantity: "sampling, 10 steps", measure: "m", floor: 0, tolerance: 1 },
  { group: "edit", quantity: "sampling, long", tolerance: 2 },
  { group: "tune", quantity: "sampling, 10 steps", tolerance: 3 },
]);

describe("parseTolerances", () => {
  it.each([{}, null, [{}], [{ group: "a", quantity: "b", tolerance: "1" }], [null]])(
    "refuses %j",
    (json) => {
      expect(() => parseTolerances(json)).toThrow(/tolerance.json: expected/);
    },
  );
});

describe("findTolerance", () => {
  it("looks in the group only", () => {
    const place = { group: "tune", quantity: [/^sampling/] };
    expect(findTolerance(rows, place)?.tolerance).toBe(3);
  });

  it("takes the first pattern that any row matches", () => {
    const quantity = [/20 steps/, /long/, /steps/];
    expect(findTolerance(rows, { group: "edit", quantity })?.tolerance).toBe(2);
    expect(findTolerance(rows, { group: "edit", quantity: [/none/] })).toBeUndefined();
  });
});
