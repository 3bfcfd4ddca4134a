import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/temporary-folder.js";
import { createResultFolder } from "./result-folder.js";

const manifest = (...names: readonly string[]): string =>
  JSON.stringify({
    format: "retake-manifest",
    files: Object.fromEntries(names.map((name) => [name, {}])),
  });

/** A result of the given files, committed. */
async function result(path: string, ...names: readonly string[]): Promise<void> {
  const folder = await createResultFolder(path);
  for (const name of names) await writeFile(join(folder.workPath, name), `new ${name}`);
  await writeFile(join(folder.workPath, "manifest.json"), manifest(...names));
  await folder.commit();
  await folder.discard();
}

describe("createResultFolder", () => {
  it("gives the files their names when they are committed, all at once", async () => {
    const path = join(await temporaryFolder(), "a/out");
    const folder = await createResultFolder(path);
    await writeFile(join(folder.workPath, "x.mp4"), "x");
    await expect(readdir(path)).rejects.toThrow("ENOENT");
    await folder.commit();
    await folder.discard();
    expect(await readdir(path)).toEqual(["x.mp4"]);
    expect(await folder.files()).toEqual({ "x.mp4": join(path, "x.mp4") });
  });

  it("leaves nothing of what was discarded, not even the folders above", async () => {
    const top = await temporaryFolder();
    const folder = await createResultFolder(join(top, "a/b/out"));
    await writeFile(join(folder.workPath, "x.mp4"), "x");
    await folder.discard();
    expect(await readdir(top)).toEqual([]);
  });

  it("keeps folders above that were there, or that someone else has used since", async () => {
    const top = await temporaryFolder();
    await mkdir(join(top, "mine"));
    const folder = await createResultFolder(join(top, "mine/made/out"));
    await writeFile(join(top, "mine/made/other"), "");
    await folder.discard();
    expect(await readdir(join(top, "mine/made"))).toEqual(["other"]);
  });

  it("takes an empty folder, and the place of an earlier result", async () => {
    const path = await temporaryFolder();
    await result(path, "1-old.mp4", "poster.png");
    expect((await readdir(path)).sort()).toEqual(["1-old.mp4", "manifest.json", "poster.png"]);
    await writeFile(join(path, "my-notes.txt"), "mine");
    await result(path, "1-new.mp4", "poster.png");
    const names = ["1-new.mp4", "manifest.json", "my-notes.txt", "poster.png"];
    expect((await readdir(path)).sort()).toEqual(names);
    expect(await readFile(join(path, "my-notes.txt"), "utf8")).toBe("mine");
  });

  it("keeps the earlier result until the new one is committed", async () => {
    const path = join(await temporaryFolder(), "out");
    await result(path, "1-old.mp4");
    const folder = await createResultFolder(path);
    await writeFile(join(folder.workPath, "1-new.mp4"), "x");
    await folder.discard();
    expect((await readdir(path)).sort()).toEqual(["1-old.mp4", "manifest.json"]);
  });

  it("removes nothing outside the folder, whatever its manifest says", async () => {
    const top = await temporaryFolder();
    await writeFile(join(top, "precious"), "x");
    const path = join(top, "out");
    await mkdir(path);
    await writeFile(join(path, "manifest.json"), manifest("../precious"));
    await result(path, "1.mp4");
    expect(await readFile(join(top, "precious"), "utf8")).toBe("x");
  });

  it("refuses a folder with other files, and a file", async () => {
    const path = await temporaryFolder();
    await writeFile(join(path, "thesis.tex"), "x");
    await expect(createResultFolder(path)).rejects.toMatchObject({
      ...{ reason: "bad-option", message: expect.stringContaining("thesis.tex") },
    });
    const file = createResultFolder(join(path, "thesis.tex"));
    await expect(file).rejects.toMatchObject({ reason: "output-not-writable" });
    expect(await readdir(path)).toEqual(["thesis.tex"]);
  });
});
