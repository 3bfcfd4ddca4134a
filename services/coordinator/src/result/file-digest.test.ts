import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../media/testing/generated-video.js";
import { fileDigest, jsonDigest } from "./file-digest.js";

describe("fileDigest", () => {
  it("is SHA-256 of the content", async () => {
    const path = join(await temporaryFolder(), "abc");
    await writeFile(path, "abc");
    const sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    expect(await fileDigest(path)).toEqual({ bytes: 3, sha256 });
  });

  it("refuses a folder, a file that is not there, and to go on when stopped", async () => {
    const folder = await temporaryFolder();
    await expect(fileDigest(folder)).rejects.toMatchObject({ reason: "file-unreadable" });
    const none = fileDigest(join(folder, "none"));
    await expect(none).rejects.toMatchObject({ reason: "file-not-found" });
    await writeFile(join(folder, "f"), "x");
    const stopped = fileDigest(join(folder, "f"), AbortSignal.abort());
    await expect(stopped).rejects.toMatchObject({ reason: "stopped" });
  });
});

describe("jsonDigest", () => {
  it("tells values apart", () => {
    expect(jsonDigest({ a: 1 })).toBe(jsonDigest({ a: 1 }));
    expect(jsonDigest({ a: 1 })).not.toBe(jsonDigest({ a: "1" }));
  });
});
