import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/temporary-folder.js";
import { cacheFolder, makeCacheFolder } from "./cache-folder.js";

describe("cacheFolder", () => {
  it("is RETAKE_CACHE, else under the XDG folder, else under the home", () => {
    const HOME = "/home/ann";
    expect(cacheFolder({ RETAKE_CACHE: "/c", XDG_CACHE_HOME: "/x", HOME })).toBe("/c");
    expect(cacheFolder({ RETAKE_CACHE: "", XDG_CACHE_HOME: "/x", HOME })).toBe("/x/retake");
    expect(cacheFolder({ XDG_CACHE_HOME: "not/absolute", HOME })).toBe("/home/ann/.cache/retake");
    expect(cacheFolder({ HOME })).toBe("/home/ann/.cache/retake");
  });
});

describe("makeCacheFolder", () => {
  it("makes what is missing, and refuses a place that cannot be a folder", async () => {
    const folder = await temporaryFolder();
    await makeCacheFolder(join(folder, "a/b"));
    await makeCacheFolder(join(folder, "a/b"));
    await writeFile(join(folder, "file"), "");
    const work = makeCacheFolder(join(folder, "file/cache"));
    await expect(work).rejects.toMatchObject({
      ...{ reason: "output-not-writable", message: expect.stringContaining("set RETAKE_CACHE") },
    });
  });
});
