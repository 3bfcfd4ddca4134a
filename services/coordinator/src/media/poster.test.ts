import { readdir } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { frameOf } from "./clip.js";
import { writePoster } from "./poster.js";
import { smoothClip, temporaryFolder } from "./testing/generated-video.js";

const folder = await temporaryFolder();
const clip = smoothClip({ frames: 2, height: 16, width: 24 });

describe("writePoster", () => {
  it("writes the frame as PNG, exactly", async () => {
    const path = join(folder, "a.png");
    await writePoster(clip, { path, frame: 1 });
    const { data, info } = await sharp(path).raw().toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width: 24, height: 16, channels: 3 });
    expect(Buffer.compare(data, frameOf(clip, 1))).toBe(0);
  });

  it("writes JPEG by the name's ending", async () => {
    const path = join(folder, "a.JPG");
    await writePoster(clip, { path });
    expect((await sharp(path).metadata()).format).toBe("jpeg");
  });

  it.each([
    [{ path: "a.bmp" }, "bad-option"],
    [{ path: "a" }, "bad-option"],
    [{ path: "a.png", frame: 2 }, "bad-option"],
    [{ path: "a.png", frame: -1 }, "bad-option"],
    [{ path: "no/a.png" }, "output-not-writable"],
    [{ path: "b.png", signal: AbortSignal.abort() }, "stopped"],
  ])("refuses %j as %s", async (options, reason) => {
    const before = await readdir(folder);
    const path = join(folder, options.path);
    await expect(writePoster(clip, { ...options, path })).rejects.toMatchObject({ reason });
    expect(await readdir(folder)).toEqual(before);
  });
});
