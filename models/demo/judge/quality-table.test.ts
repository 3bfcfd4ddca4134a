import { describe, expect, it } from "vitest";
import { differenceRow } from "./quality-table.js";
import type { Result } from "./results.js";

interface Named {
  readonly seed: number;
  readonly clip?: string;
  readonly kind?: Result["kind"];
}

const result = (
  method: string,
  { seed, clip = "c", kind = "subject" }: Named,
  motionPixels: number,
): Result => ({
  ...{ model: "m", method, settings: "s", steps: 1, set: "held-out" },
  ...{ clip, kind, seed, keepsUnseen: false },
  score: {
    ...{ subject: 1, place: 1, colour: 1, motionPixels, backgroundDb: null, truthDb: 30 },
    flicker: 0,
  },
});
const tuned = [
  result("tuned", { seed: 1 }, 2),
  result("tuned", { seed: 2 }, 5),
  result("tuned", { seed: 1, clip: "other clip" }, 9),
];
const name = { set: "held-out", method: "tuned", against: "other" };
/** How many were told against each other, and by how many pixels the motion differs. */
const told = (method: readonly Result[], against: readonly Result[]) => {
  const row = differenceRow(name, { method, against, seedless: new Set(["untuned"]) });
  return row === undefined ? undefined : [row[2], row[6]];
};

describe("differenceRow", () => {
  it("tells results of the same clip, edit and seed against each other, and no others", () => {
    const fewer = [
      result("steps-30", { seed: 1 }, 1),
      result("steps-30", { seed: 1, kind: "place" }, 100),
    ];
    expect(told(tuned, fewer)).toEqual(["1", "+1.0"]);
    expect(told(fewer, tuned)).toEqual(["1", "-1.0"]);
  });

  it("lets a result that no seed changes stand for every seed, on either side", () => {
    const untuned = [result("untuned", { seed: 1 }, 1)];
    expect(told(tuned, untuned)).toEqual(["2", "+2.5"]);
    expect(told(untuned, tuned)).toEqual(["2", "-2.5"]);
  });

  it("gives an interval over clips where there are some", () => {
    const both = ["c", "other clip"].map((clip) => result("steps-30", { seed: 1, clip }, 1));
    expect(told(tuned, both)).toEqual(["2", "+4.5 [+1.0, +8.0]"]);
  });

  it("tells nothing of methods that share no edit, and leaves out figures that no edit has", () => {
    expect(told(tuned, [result("steps-30", { seed: 3 }, 1)])).toBeUndefined();
    const row = differenceRow(name, { method: tuned, against: tuned, seedless: new Set() });
    expect(row?.[7]).toBe("");
  });
});
