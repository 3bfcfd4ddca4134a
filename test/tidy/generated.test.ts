import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adamwModule, target } from "../../scripts/wasm.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const place = "packages/wire/src/generated";

/** Every file of a folder, by its path in it. */
function filesOf(folder: string): Readonly<Record<string, string>> {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  const files = paths.filter((path) => path.endsWith(".ts"));
  return Object.fromEntries(files.map((path) => [path, readFileSync(join(folder, path), "utf8")]));
}

describe("the generated code of the wire", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "retake-proto-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("is what proto/ describes; npm run proto writes it anew", () => {
    const buf = join(root, "node_modules/.bin/buf");
    const options = { cwd: join(root, "proto"), encoding: "utf8" } as const;
    const { status, stderr } = spawnSync(buf, ["generate", "-o", join(folder, "proto")], options);
    expect([status, stderr]).toEqual([0, ""]);
    const generated = filesOf(join(folder, place));
    expect(Object.keys(generated).length).toBeGreaterThan(0);
    expect(filesOf(join(root, place))).toEqual(generated);
  });
});

describe("the WebAssembly of the optimizer", () => {
  it("is what adamw.wat says; npm run wasm writes it anew", async () => {
    expect(readFileSync(target, "utf8")).toBe(await adamwModule());
  });
});
