import { describe, expect, it } from "vitest";
import { endedBy, stopRules } from "./early-stop.js";
import type { Result } from "./results.js";

const stepsOf: Readonly<Record<string, number>> = { tuned: 40, "steps-30": 30, "steps-60": 60 };

const result = (method: string, seed: number, reconstruction: number): Result => ({
  ...{ model: "m", method, settings: "s", steps: stepsOf[method] ?? 0, set: "held-out" },
  ...{ clip: "c", kind: "place", seed, keepsUnseen: false },
  score: {
    ...{ subject: 1, place: 1, colour: 1, motionPixels: seed, backgroundDb: null, truthDb: 30 },
    flicker: 0,
  },
  signs: { reconstruction, change: 1 / reconstruction, response: 1 },
});
const results = [
  result("untuned", 1, 3),
  ...[result("steps-30", 1, 2), result("steps-60", 1, 4)],
  ...[result("steps-30", 2, 5), result("steps-60", 2, 6)],
  result("guidance-3", 1, 0.1),
];
const endings = (rule: string, of: readonly Result[]) => {
  const by = stopRules[rule];
  if (by === undefined) throw new Error("expected a rule");
  return endedBy(by, { results: of, name: "auto" });
};
const ended = (rule: string) =>
  endings(rule, results).map(({ method, seed, signs }) => [
    ...[method, seed, signs?.reconstruction],
  ]);

describe("endedBy", () => {
  it("takes for each tuning the steps with the least sign, none if that is best", () => {
    expect(ended("reconstruction")).toEqual([
      ["auto", 1, 2],
      ["auto", 2, 3],
    ]);
  });

  it("takes the fewer steps where signs are equal, and counts the card's own", () => {
    const equal = [result("steps-60", 1, 2), result("tuned", 1, 2), result("untuned", 1, 3)];
    expect(endings("reconstruction", equal).map(({ steps }) => steps)).toEqual([40]);
  });

  it("leaves a tuning out that lacks a number of steps, in one edit or in all", () => {
    const ofClip = (clip: string, kind: Result["kind"]) =>
      [...results, result("tuned", 1, 9), result("tuned", 2, 9)].map((one) => ({
        ...one,
        ...{ clip, kind },
      }));
    const lacking = ofClip("d", "place").filter(
      ({ seed, method }) => seed === 1 || method !== "tuned",
    );
    const begun = ofClip("e", "colour").filter(({ method }) => method === "steps-30");
    const all = [...ofClip("c", "place"), ...lacking, ...ofClip("e", "place"), ...begun];
    expect(endings("reconstruction", all).map(({ clip, seed }) => [clip, seed])).toEqual([
      ["c", 1],
      ["c", 2],
      ["d", 1],
    ]);
  });

  it("goes by the rule that it is given", () => {
    expect(ended("change")).toEqual([
      ["auto", 1, 4],
      ["auto", 2, 6],
    ]);
  });
});
