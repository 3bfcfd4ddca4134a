import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

describe("the image of the protocol", () => {
  const buf = join(root, "node_modules/.bin/buf");
  const proto = join(root, "proto");
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "retake-image-"));
    cpSync(proto, folder, { recursive: true });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const run = (...args: readonly string[]) =>
    spawnSync(buf, args, { cwd: folder, encoding: "utf8" });

  it("is what proto/ describes; npm run proto writes it anew", () => {
    const { status } = run("build", "--exclude-source-info", "-o", "now.binpb");
    expect(status).toBe(0);
    const [kept, now] = ["protocol.binpb", "now.binpb"].map((name) =>
      readFileSync(join(folder, name), "base64"),
    );
    expect(now).toBe(kept);
  });

  it.each([
    ["takes another number", "string engine = 7;", "string engine = 70;"],
    ["takes another type", "uint32 threads = 9;", "string threads = 9;"],
    ["goes", "  string version = 6;\n", ""],
  ])("lets buf refuse a field that %s", (_, before, after) => {
    const path = join(folder, "retake/v1/membership.proto");
    const text = readFileSync(path, "utf8");
    expect(text).toContain(before);
    writeFileSync(path, text.replace(before, after));
    const { status, stdout } = run("breaking", "--against", "protocol.binpb");
    writeFileSync(path, text);
    expect([status, stdout]).toEqual([100, expect.stringContaining("NodeInfo")]);
    expect(run("breaking", "--against", "protocol.binpb").status).toBe(0);
  });
});

describe("the WebAssembly of the optimizer", () => {
  it("is what adamw.wat says; npm run wasm writes it anew", async () => {
    expect(readFileSync(target, "utf8")).toBe(await adamwModule());
  });
});
