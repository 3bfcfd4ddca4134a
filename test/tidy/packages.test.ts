import { describe, expect, it } from "vitest";
import {
  dependenciesExplained,
  dependenciesPinned,
  dependenciesUsed,
  filesExist,
  licencesListed,
  lockComplete,
  publicNames,
  readmes,
} from "./packages.js";
import { formatFinding, plantedProject, type Rule } from "./project.js";

const folder = "packages/cli";
const exports = {
  ".": { types: "./dist/index.d.ts", default: "./dist/index.js" },
  "./package.json": "./package.json",
};
const manifest = (dependencies: Readonly<Record<string, string>>) => ({
  [`${folder}/package.json`]: JSON.stringify({ name: "@retake/cli", exports, dependencies }),
});
const found = (rule: Rule, files: Readonly<Record<string, string>>): string[] =>
  rule.findings(plantedProject(files)).map(formatFinding);

describe("publicNames", () => {
  const names = (count: number) =>
    Array.from({ length: count }, (_, index) => `name${index}`).join();
  const index = (text: string) =>
    found(publicNames, { ...manifest({}), [`${folder}/src/index.ts`]: text });

  it("accepts 40 names and refuses 41, however they are exported", () => {
    expect(index(`export { ${names(40)} } from "./a.js";`)).toEqual([]);
    const one = `export { ${names(40)} } from "./a.js";`;
    const message = `${folder}/src/index.ts: 41 public names`;
    for (const text of ["const x = 1;", "function x() {}", "type x = 1;", "interface x {}"]) {
      expect(index(`${one} export ${text}`)).toEqual([message]);
    }
  });

  it("counts a name once, and asks for the file", () => {
    expect(index(`export { ${names(40)} } from "./a.js"; export const name1 = 1;`)).toEqual([]);
    expect(found(publicNames, manifest({}))).toEqual([`${folder}/src/index.ts: missing`]);
    const closed = { [`${folder}/package.json`]: "{}" };
    expect(found(publicNames, closed)).toEqual([`${folder}/package.json: exports nothing`]);
  });
});

describe("dependenciesExplained", () => {
  it("refuses one that the README does not name", () => {
    const files = { ...manifest({ commander: "14.0.3", "@retake/errors": "*" }) };
    const message = `${folder}/package.json: commander is not named in ${folder}/README.md`;
    expect(found(dependenciesExplained, files)).toEqual([message]);
    const readme = { [`${folder}/README.md`]: "`commander` reads the command line." };
    expect(found(dependenciesExplained, { ...files, ...readme })).toEqual([]);
  });
});

describe("dependenciesPinned", () => {
  it("refuses a range", () => {
    expect(
      found(dependenciesPinned, manifest({ commander: "14.0.3", "@retake/wire": "*" })),
    ).toEqual([]);
    expect(found(dependenciesPinned, manifest({ commander: "^14.0.3" }))).toHaveLength(1);
    expect(found(dependenciesPinned, manifest({ commander: "*" }))).toHaveLength(1);
  });
});

describe("dependenciesUsed", () => {
  const withCode = (text: string) =>
    found(dependenciesUsed, { ...manifest({ sharp: "0.35.5" }), [`${folder}/src/a.ts`]: text });

  it("accepts an import of it or below it, and a name for a later import", () => {
    expect(withCode(`import sharp from "sharp";`)).toEqual([]);
    expect(withCode(`import sharp from "sharp/lib.js";`)).toEqual([]);
    expect(withCode(`const name = "sharp"; await import(name);`)).toEqual([]);
  });

  it("refuses one that only a comment or a longer name mentions", () => {
    const message = `${folder}/package.json: sharp is never imported`;
    expect(withCode(`// "sharp"\nimport "sharper";`)).toEqual([message]);
  });
});

describe("licencesListed", () => {
  const files = {
    ...manifest({ sharp: "0.35.5" }),
    "package-lock.json": JSON.stringify({
      packages: { "node_modules/sharp": { version: "0.35.5", license: "Apache-2.0" } },
    }),
  };

  it("refuses a missing row, another version and another licence", () => {
    const withRow = (row: string) => found(licencesListed, { ...files, "THIRD_PARTY.md": row });
    expect(withRow("| `sharp` | 0.35.5 | Apache-2.0 | images |")).toEqual([]);
    expect(withRow("| `sharp` | 0.35.4 | Apache-2.0 | images |")).toHaveLength(1);
    expect(withRow("| `sharp` | 0.35.5 | MIT | images |")).toHaveLength(1);
    expect(found(licencesListed, files)).toHaveLength(1);
  });
});

describe("lockComplete", () => {
  const lock = (packages: object) =>
    found(lockComplete, { "package-lock.json": JSON.stringify({ packages }) });

  it("refuses an optional package without an entry", () => {
    const a = {
      version: "1.0.0",
      integrity: "sha512-",
      optionalDependencies: { "a-mac": "1.0.0" },
    };
    expect(lock({ "node_modules/a": a })).toEqual([
      "package-lock.json: node_modules/a wants a-mac, which has no entry",
    ]);
    expect(lock({ "node_modules/a": a, "node_modules/a-mac": { optional: true } })).toEqual([]);
  });

  it("refuses a package without checksum or with a host, our own aside", () => {
    expect(lock({ "": {}, "node_modules/@retake/cli": { link: true, resolved: "cli" } })).toEqual(
      [],
    );
    expect(lock({ "node_modules/a": {} })).toEqual([
      "package-lock.json: node_modules/a: no checksum",
    ]);
    expect(lock({ "node_modules/a": { integrity: "sha512-", resolved: "x" } })).toHaveLength(1);
  });
});

describe("readmes", () => {
  it("accepts 80 lines and refuses 81, and none", () => {
    const readme = (lines: number) => ({ [`${folder}/README.md`]: "text\n".repeat(lines) });
    expect(found(readmes, { ...manifest({}), ...readme(80) })).toEqual([]);
    expect(found(readmes, { ...manifest({}), ...readme(81) })).toEqual([
      `${folder}/README.md: 81 lines`,
    ]);
    expect(found(readmes, manifest({}))).toEqual([`${folder}/README.md: missing`]);
  });
});

describe("filesExist", () => {
  const files = { "packages/cli/src/edit.ts": "", "test/golden/run.ts": "", "CONTRIBUTING.md": "" };
  const page = (text: string) => found(filesExist, { ...files, "packages/cli/README.md": text });

  it.each([
    "`packages/cli/src/edit.ts`",
    "`src/edit.ts`",
    "`edit.ts`",
    "`test/golden/`",
    "[rules](../../CONTRIBUTING.md#tests)",
    "`clip.mp4`, `unet/config.json`, `@retake/model`, `node_modules/a.ts`, `a b.ts`, `out/*.ts`",
    "`bench/NAME.ts`",
    "```\nlost.ts\n```",
  ])("accepts %s", (text) => expect(page(text)).toEqual([]));

  it.each(["`lost.ts`", "`packages/cli/src/lost.ts`", "`test/lost/`", "[x](LOST.md)"])(
    "refuses %s",
    (text) => {
      expect(page(`line one\n${text}`)).toEqual([
        `packages/cli/README.md:2: ${text.replace(/[`()]|\[x\]/g, "")} is not there`,
      ]);
    },
  );
});
