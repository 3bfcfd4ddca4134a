import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/temporary-folder.js";
import { type CacheEntry, cacheEntries } from "./cache-entries.js";
import { entriesToPrune, removeEntries } from "./prune-cache.js";

// Used 10, 20 and 30 ms after the beginning of time; of 1, 2 and 3 bytes.
const entries: readonly CacheEntry[] = [1, 2, 3].map((size) => ({
  ...{ group: "delta", name: String(size), paths: [], bytes: size, usedMs: 10 * size },
}));
const pruned = (limits: Parameters<typeof entriesToPrune>[2]): string[] =>
  entriesToPrune(entries, 40, limits)
    .map(({ name }) => name)
    .sort();

describe("entriesToPrune", () => {
  it("drops what was not used for so long", () => {
    expect(pruned({ ageMsMax: 10 })).toEqual(["1", "2", "3"]);
    expect(pruned({ ageMsMax: 11 })).toEqual(["1", "2"]);
    expect(pruned({ ageMsMax: 31 })).toEqual([]);
  });

  it("keeps so many bytes of what was used last", () => {
    expect(pruned({ bytesMax: 6 })).toEqual([]);
    expect(pruned({ bytesMax: 5 })).toEqual(["1"]);
    expect(pruned({ bytesMax: 3 })).toEqual(["1", "2"]);
    expect(pruned({ bytesMax: -1 })).toEqual(["1", "2", "3"]);
  });

  it("keeps everything without limits", () => {
    expect(pruned({})).toEqual([]);
  });
});

describe("cacheEntries", () => {
  it("counts an artifact with its record, and nothing that is not the cache's", async () => {
    const folder = await temporaryFolder();
    const folders = ["programs", "optimized", "costs", "photos"];
    for (const path of ["artifacts/delta", "hub/a--b/snapshots", ...folders]) {
      await mkdir(join(folder, path), { recursive: true });
    }
    const files = ["artifacts/delta/f00", "artifacts/delta/f00.json", "artifacts/delta/orphan"];
    const others = ["hub/a--b/snapshots/x", "hub/a--b/y", "programs/p.onnx", "photos/cat.jpg"];
    others.push("optimized/o.program", "costs/c.program");
    for (const path of [...files, ...others]) await writeFile(join(folder, path), "12345");
    await utimes(join(folder, "programs/p.onnx"), 1, 2);
    const found = await cacheEntries(folder);
    const facts = found.map(({ group, name, bytes }) => `${group} ${name} ${bytes}`);
    expect(facts).toEqual([
      ...["delta f00 10", "delta orphan 5", "programs p.onnx 5", "optimized o.program 5"],
      ...["costs c.program 5", "hub a--b 10"],
    ]);
    expect(found.find(({ group }) => group === "programs")?.usedMs).toBe(2000);
    await removeEntries(found);
    expect(await cacheEntries(folder)).toEqual([]);
    expect(await readdir(join(folder, "photos"))).toEqual(["cat.jpg"]);
  });

  it("is empty where there is no cache", async () => {
    expect(await cacheEntries(join(await temporaryFolder(), "none"))).toEqual([]);
  });
});
