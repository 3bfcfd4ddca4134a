import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/temporary-folder.js";
import { type ArtifactRecipe, artifact, foundArtifact, keptArtifact } from "./artifact-store.js";

/** A store in a new folder, and a recipe that counts how often it is made. */
async function setUp() {
  const folder = await temporaryFolder();
  const warnings: string[] = [];
  const store = {
    ...{ folder, isOn: true, nowMs: () => 86_400_000 },
    onWarning: (warning: string) => warnings.push(warning),
  };
  const made: string[] = [];
  const recipe = (key: Readonly<Record<string, unknown>>): ArtifactRecipe<string> => ({
    kind: "prompt",
    key,
    make: async () => {
      made.push(JSON.stringify(key));
      return `value of ${JSON.stringify(key)}`;
    },
    read: (path) => readFile(path, "utf8"),
    write: (path, value) => writeFile(path, value),
  });
  return { store, recipe, made, warnings, path: join(folder, "artifacts/prompt") };
}

describe("artifact", () => {
  it("is made once for everything that it depends on", async () => {
    const { store, recipe, made } = await setUp();
    const first = await artifact(store, recipe({ seed: 1 }));
    const again = await artifact(store, recipe({ seed: 1 }));
    const other = await artifact(store, recipe({ seed: 2 }));
    expect([first.reused, again.reused, other.reused]).toEqual([false, true, false]);
    expect(again).toEqual({ ...first, reused: true });
    expect(other.id).not.toBe(first.id);
    expect(made.length).toBe(2);
  });

  it("is neither read nor kept when the store is off", async () => {
    const { store, recipe, made, path } = await setUp();
    const off = { ...store, isOn: false };
    await artifact(off, recipe({}));
    const { id } = await artifact(off, recipe({}));
    expect(made.length).toBe(2);
    await expect(readdir(path)).rejects.toThrow("ENOENT");
    expect((await artifact(store, recipe({}))).id).toBe(id);
  });

  it("is made again when its content is not what was written", async () => {
    const { store, recipe, made, warnings, path } = await setUp();
    const { id, value } = await artifact(store, recipe({}));
    await writeFile(join(path, id), value.replace("value", "valve"));
    expect((await artifact(store, recipe({}))).value).toBe(value);
    expect(warnings).toEqual([expect.stringContaining("its digest is wrong")]);
    expect((await artifact(store, recipe({}))).reused).toBe(true);
    expect(made.length).toBe(2);
  });

  it.each(["no JSON", "{}", "null"])("is made again when its record is %s", async (record) => {
    const { store, recipe, made, path } = await setUp();
    const { id } = await artifact(store, recipe({}));
    await writeFile(join(path, `${id}.json`), record);
    expect((await artifact(store, recipe({}))).reused).toBe(false);
    expect(made.length).toBe(2);
  });

  it("does not exist before its record does", async () => {
    const { store, recipe, path } = await setUp();
    const { id } = await artifact(store, recipe({}));
    await rm(join(path, `${id}.json`));
    expect((await artifact(store, recipe({}))).reused).toBe(false);
  });

  it("is given also where it cannot be kept, with a warning", async () => {
    const { store, recipe, warnings } = await setUp();
    await writeFile(join(store.folder, "artifacts"), "a file in the way");
    expect((await artifact(store, recipe({}))).value).toBe("value of {}");
    expect(warnings).toEqual([expect.stringContaining("is not kept for the next time")]);
  });

  it("remembers when it was used last", async () => {
    const { store, recipe, path } = await setUp();
    const { id } = await artifact(store, recipe({}));
    await artifact(store, recipe({}));
    expect((await stat(join(path, `${id}.json`))).mtimeMs).toBe(86_400_000);
  });
});

describe("keptArtifact", () => {
  it("is found by its key, and is the artifact that would have been made", async () => {
    const { store, recipe, made } = await setUp();
    expect(await foundArtifact(store, recipe({ seed: 1 }))).toBeUndefined();
    const kept = await keptArtifact(store, recipe({ seed: 1 }), "made otherwise");
    expect(await foundArtifact(store, recipe({ seed: 1 }))).toEqual({ ...kept, reused: true });
    expect(await artifact(store, recipe({ seed: 1 }))).toEqual({ ...kept, reused: true });
    expect(made).toEqual([]);
  });

  it("is not kept when the store is off", async () => {
    const { store, recipe } = await setUp();
    const off = { ...store, isOn: false };
    const { id } = await keptArtifact(off, recipe({}), "made otherwise");
    expect(await foundArtifact(store, recipe({}))).toBeUndefined();
    expect((await artifact(store, recipe({}))).id).toBe(id);
  });
});
