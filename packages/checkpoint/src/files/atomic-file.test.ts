import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { failureOf, temporaryFolder } from "../testing/temporary-folder.js";
import { makeFolder, writeAll, writeAtomically } from "./atomic-file.js";

describe("writeAtomically", () => {
  it("shows the old content until all of the new is written", async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "x");
    await writeFile(path, "old");
    await writeAtomically(path, async (handle) => {
      await writeAll(handle, Buffer.from("new"));
      expect(await readFile(path, "utf8")).toBe("old");
      expect(await readdir(folder)).toHaveLength(2);
    });
    expect(await readFile(path, "utf8")).toBe("new");
    expect(await readdir(folder)).toEqual(["x"]);
  });

  it("removes what it wrote when writing fails", async () => {
    const folder = await temporaryFolder();
    const failed = await failureOf(() =>
      writeAtomically(join(folder, "x"), async (handle) => {
        await writeAll(handle, Buffer.from("half"));
        throw Object.assign(new Error("write"), { code: "EROFS" });
      }),
    );
    expect(failed.reason).toBe("output-not-writable");
    expect(await readdir(folder)).toEqual([]);
  });

  it("removes what it wrote when the name is taken by a folder", async () => {
    const folder = await temporaryFolder();
    await makeFolder(join(folder, "x", "y"));
    const failed = await failureOf(() => writeAtomically(join(folder, "x"), async () => undefined));
    expect(failed.reason).toBe("output-not-writable");
    expect(await readdir(folder)).toEqual(["x"]);
  });

  it("lets two writers of one name both succeed", async () => {
    const path = join(await temporaryFolder(), "x");
    const write = () => writeAtomically(path, (handle) => writeAll(handle, Buffer.alloc(1e5)));
    await Promise.all([write(), write(), write()]);
    expect((await stat(path)).size).toBe(1e5);
  });
});

describe("makeFolder", () => {
  it("makes the folders above too, and says so when one of them is a file", async () => {
    const folder = await temporaryFolder();
    await makeFolder(join(folder, "a", "b"));
    expect((await stat(join(folder, "a", "b"))).isDirectory()).toBe(true);
    await writeFile(join(folder, "f"), "");
    const failed = await failureOf(() => makeFolder(join(folder, "f", "b")));
    expect(failed.reason).toBe("output-not-writable");
  });
});
