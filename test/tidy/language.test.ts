import { describe, expect, it } from "vitest";
import { chosenExports, finished, namedExports, noAny, pureDecisions } from "./language.js";
import { formatFinding, plantedProject, type Rule } from "./project.js";

const path = "services/coordinator/src/job/planted.ts";
const found = (rule: Rule, text: string, where = path): string[] =>
  rule.findings(plantedProject({ [where]: text })).map(formatFinding);

describe("namedExports", () => {
  it.each(["export default 1;", "export { a as default };", "export { default } from './b.js';"])(
    "refuses %s",
    (text) => expect(found(namedExports, text)).toHaveLength(1),
  );

  it("lets configuration files do as their tool wants", () => {
    expect(found(namedExports, "export default 1;", "test/e2e/vitest.config.ts")).toEqual([]);
    expect(found(namedExports, "export const a = 1;")).toEqual([]);
  });
});

describe("chosenExports", () => {
  it("refuses export *, with a name too", () => {
    expect(found(chosenExports, `export { a } from "./a.js";`)).toEqual([]);
    expect(found(chosenExports, `export * from "./a.js";`)).toHaveLength(1);
    expect(found(chosenExports, `export * as a from "./a.js";`)).toHaveLength(1);
  });
});

describe("noAny", () => {
  it("refuses the type and lets the word be", () => {
    const text = `\nconst any = (any: unknown) => any; // any\nlet x: readonly any[];`;
    expect(found(noAny, text)).toEqual([`${path}:3: any; take unknown and narrow it`]);
  });
});

describe("pureDecisions", () => {
  it.each([
    "const nowMs = Date.now();",
    "const now = new Date();",
    "const at = performance.now();",
    "const seed = Math.random();",
    "const id = crypto.randomUUID();",
    "const level = process.env.LEVEL;",
    "setTimeout(() => {}, 5);",
    "const later = setInterval;",
  ])("refuses %s in a decision, and nowhere else", (text) => {
    expect(found(pureDecisions, text)).toHaveLength(1);
    expect(found(pureDecisions, text, "services/gpu-node/src/node/planted.ts")).toHaveLength(1);
    expect(found(pureDecisions, text, "services/coordinator/src/rpc/planted.ts")).toEqual([]);
    expect(found(pureDecisions, text, "services/coordinator/src/job/planted.test.ts")).toEqual([]);
  });

  it("accepts arithmetic, and a property that happens to have such a name", () => {
    expect(found(pureDecisions, "const x = Math.max(job.setTimeout, 1);")).toEqual([]);
  });
});

describe("finished", () => {
  it.each(["TO" + "DO", "FIX" + "ME"])("refuses %s", (word) => {
    expect(found(finished, `f();\n// ${word} later`)).toEqual([
      `${path}:2: ${word}; open an issue`,
    ]);
  });
});
