import { describe, expect, it } from "vitest";
import { findingsIn, isCaught, judgeAll, policies } from "./judge-all.js";
import { nameOf } from "./manifest.js";
import { planted, plants } from "./plants.js";
import { objectsOf, readRendered } from "./render.js";

const rendered = readRendered();

describe("the policy of deploy/k8s", () => {
  it.each(Object.keys(rendered.combinations))("is kept by %s", (name) => {
    expect(findingsIn(objectsOf(rendered, name))).toEqual([]);
  });

  it.each(plants)("sees: $rule ($error, at $at)", (plant) => {
    expect(isCaught(rendered, plant)).toBe(true);
  });

  it("has an error planted for each of its rules", () => {
    const tried = new Set(plants.map(({ rule }) => rule));
    expect([...tried].sort()).toEqual(policies.map(({ name }) => name).sort());
  });
});

describe("judgeAll", () => {
  it("tells of an error, in which combinations, and that its rule is blind then", () => {
    const plant = plants.find(({ error }) => error === "to whoever is ready");
    if (plant === undefined) throw new Error("expected it among the plants");
    const objects = Object.fromEntries(
      Object.entries(rendered.objects).flatMap(([key, object]) => {
        const [changed] = nameOf(object) === plant.at ? planted([object], plant) : [object];
        return changed === undefined ? [] : [[key, changed]];
      }),
    );
    const names = Object.keys(rendered.combinations);
    const { lines, problems } = judgeAll({ ...rendered, objects });
    expect(problems).toContain(`${names[0]}: ${plant.rule}: expected of one Service`);
    expect(problems.some((problem) => problem.startsWith("not caught: "))).toBe(true);
    expect(lines.at(-2)).toContain(`0 of ${names.length} combinations`);
  });
});
