import { stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/temporary-folder.js";
import { makeFolders } from "./make-folders.js";

describe("makeFolders", () => {
  it("tells the outermost folder that it made", async () => {
    const folder = await temporaryFolder();
    expect(await makeFolders(join(folder, "a/b/c"))).toBe(join(folder, "a"));
    expect(await makeFolders(join(folder, "a/b/c"))).toBeUndefined();
    expect(await makeFolders(join(folder, "a/b/d"))).toBe(join(folder, "a/b/d"));
    expect((await stat(join(folder, "a/b/d"))).isDirectory()).toBe(true);
  });

  it.skipIf(process.platform !== "linux")("ends where no folder can be made", async () => {
    await expect(makeFolders("/proc/none/such")).rejects.toThrow("ENOENT");
  });
});
