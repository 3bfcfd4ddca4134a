import { execFileSync } from "node:child_process";
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { inputFile, looksLike } from "./input-file.js";
import { temporaryFolder } from "./testing/generated-video.js";

const folder = await temporaryFolder();
const isRoot = process.getuid?.() === 0;

describe("inputFile", () => {
  it("gives ffmpeg an address that no name can turn into an option or a protocol", async () => {
    const path = join(folder, "-i http:%0Ax\n.mp4");
    await writeFile(path, "abc");
    expect(await inputFile(path)).toEqual({ address: `file:${path}`, bytes: 3 });
    await symlink(path, join(folder, "link"));
    expect(await inputFile(join(folder, "link"))).toMatchObject({ bytes: 3 });
  });

  it("refuses a pipe, a device and a folder without opening them", async () => {
    execFileSync("mkfifo", [join(folder, "pipe.mp4")]);
    await mkdir(join(folder, "folder.mp4"));
    const refused = (got: string) => ({
      reason: "file-unreadable",
      message: expect.stringContaining(`got ${got}`),
    });
    await expect(inputFile(join(folder, "pipe.mp4"))).rejects.toMatchObject(
      refused("a named pipe"),
    );
    await expect(inputFile("/dev/zero")).rejects.toMatchObject(refused("a device"));
    await expect(inputFile(join(folder, "folder.mp4"))).rejects.toMatchObject(refused("a folder"));
  });

  it.each([
    ["no.mp4", "file-not-found", "NOT_FOUND"],
    ["empty.mp4", "not-a-video", "INVALID_ARGUMENT"],
    ["empty.mp4/below.mp4", "file-not-found", "NOT_FOUND"],
    [`${"x".repeat(300)}.mp4`, "file-unreadable", "INTERNAL"],
    ["a\0b.mp4", "file-unreadable", "INVALID_ARGUMENT"],
  ])("refuses %j as %s", async (name, reason, code) => {
    await writeFile(join(folder, "empty.mp4"), "");
    await expect(inputFile(join(folder, name))).rejects.toMatchObject({ reason, code });
  });

  it.skipIf(isRoot)("refuses a file that it may not read", async () => {
    const path = join(folder, "secret.mp4");
    await writeFile(path, "abc");
    await chmod(path, 0);
    await expect(inputFile(path)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  });
});

describe("looksLike", () => {
  it.each([
    ["#EXTM3U\n", "playlist"],
    ["ffconcat version 1.0\n", "concat script"],
    ["v=0\r\no=- 0 0", "SDP"],
    ["<?xml version='1.0'?>", "XML"],
    ["\x89PNG\r\n", "still image"],
    ["ID3\x03", "sound file"],
    ["\0\0\0\x18ftypmp42", "damaged or cut video"],
    ["hello there", "a text file"],
    ["\x01\x02\x03\xff", "no known video format"],
  ])("knows %j as %s", async (head, words) => {
    const path = join(folder, "head");
    await writeFile(path, Buffer.from(head, "latin1"));
    expect(await looksLike(path)).toContain(words);
  });
});
