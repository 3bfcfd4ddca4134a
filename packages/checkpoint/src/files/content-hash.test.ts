import { createHash } from "node:crypto";
import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { failureOf, temporaryFolder } from "../testing/temporary-folder.js";
import { cachedText, contentHash, fileIdentity, hashOfTexts } from "./content-hash.js";
import { chunkBytes } from "./read-range.js";

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

describe("contentHash", () => {
  it("is the SHA-256 of the content, also over several chunks", async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "x");
    for (const bytes of [Buffer.alloc(0), Buffer.from("abc"), Buffer.alloc(chunkBytes + 1, 7)]) {
      await writeFile(path, bytes);
      expect(await contentHash(path, { cacheDir: join(folder, "cache") })).toBe(sha256(bytes));
    }
  });

  it("is taken from the cache for the same file, and made anew for a changed one", async () => {
    const folder = await temporaryFolder();
    const [path, cacheDir] = [join(folder, "x"), join(folder, "cache")];
    await writeFile(path, "abc");
    await utimes(path, 1, 1);
    await contentHash(path, { cacheDir });
    const [kept = ""] = await readdir(join(cacheDir, "hashes"));
    await writeFile(join(cacheDir, "hashes", kept), "from the cache");
    expect(await contentHash(path, { cacheDir })).toBe("from the cache");

    await writeFile(path, "abd");
    await utimes(path, 1, 1);
    expect(await contentHash(path, { cacheDir })).toBe(sha256(Buffer.from("abd")));
  });

  it("does without a cache that cannot be written", async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, "file"), "abc");
    const cacheDir = join(folder, "file", "cache");
    const hash = await contentHash(join(folder, "file"), { cacheDir });
    expect(hash).toBe(sha256(Buffer.from("abc")));
  });

  it("stops when it is told to", async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, "x"), "abc");
    const options = { cacheDir: folder, signal: AbortSignal.abort() };
    expect((await failureOf(() => contentHash(join(folder, "x"), options))).reason).toBe("stopped");
  });
});

describe("fileIdentity", () => {
  it("differs for files of the same content", async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, "a"), "x");
    await writeFile(join(folder, "b"), "x");
    const [a, b] = [await fileIdentity(join(folder, "a")), await fileIdentity(join(folder, "b"))];
    expect(a).not.toBe(b);
    expect(await fileIdentity(join(folder, "a"))).toBe(a);
  });
});

describe("cachedText", () => {
  it("keeps nothing when making it fails", async () => {
    const cacheDir = await temporaryFolder();
    await mkdir(join(cacheDir, "a"));
    const make = () => Promise.reject(new Error("no"));
    await expect(cachedText(["a", "k"], cacheDir, make)).rejects.toThrow("no");
    expect(await readdir(join(cacheDir, "a"))).toEqual([]);
  });
});

describe("hashOfTexts", () => {
  it("tells lists apart whose texts join to the same", () => {
    expect(hashOfTexts(["ab", "c"])).not.toBe(hashOfTexts(["a", "bc"]));
    expect(hashOfTexts(["ab"])).not.toBe(hashOfTexts(["ab", ""]));
  });
});
