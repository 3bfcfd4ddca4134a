import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import * as imports from "./imports.js";
import * as language from "./language.js";
import * as naming from "./naming.js";
import * as packages from "./packages.js";
import { formatFinding, projectOnDisk, sourcePaths } from "./project.js";
import * as sizes from "./sizes.js";

const findingsShownMax = 100;
const project = projectOnDisk(fileURLToPath(new URL("../..", import.meta.url)));
const rules = [imports, language, naming, packages, sizes].flatMap((file) => Object.values(file));

describe("this repository", () => {
  it("is what the rules look at", () => {
    expect(sourcePaths(project)).toContain("packages/errors/src/index.ts");
    expect(rules.length).toBeGreaterThan(20);
  });

  it.each(rules)("$name", ({ findings }) => {
    const found = findings(project).map(formatFinding);
    const shown = found.slice(0, findingsShownMax);
    if (shown.length < found.length) shown.push(`and ${found.length - shown.length} more`);
    expect(shown).toEqual([]);
  });
});
