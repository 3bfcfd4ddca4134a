import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { ProgramCache } from "./program-cache.js";

const root = mkdtempSync(join(tmpdir(), "retake-programs-"));
afterAll(() => rmSync(root, { recursive: true }));

const model = Uint8Array.of(1, 2, 3, 4, 5);
let count = 0;
let folder = "";
let cache = new ProgramCache(root);
const file = (): string => join(folder, "key.program");

beforeEach(() => {
  count += 1;
  folder = join(root, `${count}`, "programs");
  cache = new ProgramCache(folder);
});

describe("ProgramCache", () => {
  it("gives back what was written, under its key only", async () => {
    expect(await cache.read("key")).toBeUndefined();
    await cache.write("key", model);
    expect(Uint8Array.from((await cache.read("key")) ?? [])).toEqual(model);
    expect(await cache.read("other")).toBeUndefined();
  });

  it("takes a damaged, shortened, lengthened or empty file for none", async () => {
    await cache.write("key", model);
    const whole = readFileSync(file());
    for (let at = 0; at < whole.length; at += 1) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      writeFileSync(file(), damaged);
      expect(await cache.read("key"), `byte ${at}`).toBeUndefined();
    }
    for (const bytes of [whole.subarray(0, -1), Buffer.concat([whole, whole]), Buffer.alloc(0)]) {
      writeFileSync(file(), bytes);
      expect(await cache.read("key")).toBeUndefined();
    }
    await cache.write("key", model);
    expect(await cache.read("key")).toBeDefined();
  });

  it("lets several write the same program at once, and leaves one whole file", async () => {
    const writers = Array.from({ length: 8 }, () => new ProgramCache(folder).write("key", model));
    await Promise.all(writers);
    expect(readdirSync(folder)).toEqual(["key.program"]);
    expect(Uint8Array.from((await cache.read("key")) ?? [])).toEqual(model);
  });

  it("leaves nothing of a file that cannot take its name", async () => {
    mkdirSync(file(), { recursive: true });
    await expect(cache.write("key", model)).rejects.toThrow("key.program");
    expect(readdirSync(folder)).toEqual(["key.program"]);
  });

  it("removes what was not read for longest, where it may hold only so much", async () => {
    const bytesMax = 3 * (32 + model.length);
    const small = new ProgramCache(folder, { bytesMax });
    const written = ["a", "b", "c"];
    for (const [at, key] of written.entries()) {
      await small.write(key, model);
      utimesSync(join(folder, `${key}.program`), at + 1, at + 1);
    }
    await small.read("a");
    await small.write("d", model);
    expect(readdirSync(folder).sort()).toEqual(["a", "c", "d"].map((key) => `${key}.program`));
  });
});
