import { describe, expect, it } from "vitest";
import { leastSign, type StopLook, stopSteps } from "./stop-rule.js";

describe("stopSteps", () => {
  it("is none, an eighth, a quarter, half, and all", () => {
    expect(stopSteps(40)).toEqual([0, 5, 10, 20, 40]);
    expect(stopSteps(300)).toEqual([0, 38, 75, 150, 300]);
  });

  it("names no step twice where there are few", () => {
    expect([0, 1, 2, 4].map(stopSteps)).toEqual([[0], [0, 1], [0, 1, 2], [0, 1, 2, 4]]);
  });

  it("begins at none, ends at all, and rises, for every count", () => {
    for (let stepsMax = 0; stepsMax <= 400; stepsMax += 1) {
      const steps = stopSteps(stepsMax);
      expect([steps[0], steps.at(-1)]).toEqual([0, stepsMax]);
      expect(steps.every((step, at) => at === 0 || step > (steps[at - 1] ?? step))).toBe(true);
    }
  });
});

describe("leastSign", () => {
  const signs = (...given: [number, ...number[]]): [StopLook, ...StopLook[]] => {
    const [first, ...rest] = given;
    return [{ step: 0, sign: first }, ...rest.map((sign, at) => ({ step: at + 1, sign }))];
  };

  it("is the look with the least sign, wherever it stands", () => {
    expect(leastSign(signs(1, 2, 3))).toEqual({ step: 0, sign: 1 });
    expect(leastSign(signs(3, 1, 2))).toEqual({ step: 1, sign: 1 });
    expect(leastSign(signs(3, 2, 1))).toEqual({ step: 2, sign: 1 });
  });

  it("is the one of the fewest steps among equal ones, in whichever order they are told", () => {
    expect(leastSign(signs(2, 1, 1)).step).toBe(1);
    const [first, ...rest] = signs(2, 1, 1).toReversed();
    if (first === undefined) throw new Error("expected looks");
    expect(leastSign([first, ...rest]).step).toBe(1);
  });

  it("gives back what else is said of it", () => {
    expect(leastSign([{ step: 4, sign: 1, name: "a" }]).name).toBe("a");
  });
});
