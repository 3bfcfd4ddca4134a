import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { frameTimeS, probeVideo } from "./probe.js";
import {
  makeNumberedVideo,
  makeWithFfmpeg,
  passthrough,
  temporaryFolder,
  turnClockwise,
} from "./testing/generated-video.js";

const folder = await temporaryFolder();
const at = (name: string): string => join(folder, name);
const h264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p"];
const tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=1"];

describe("probeVideo", () => {
  it.each([
    ["a.mp4", h264, "h264"],
    ["a.webm", ["-c:v", "libvpx-vp9", "-b:v", "100k"], "vp9"],
    ["a.gif", [], "gif"],
    ["a.avi", ["-c:v", "mpeg4"], "mpeg4"],
    ["a.ts", h264, "h264"],
    ["a.mov", ["-c:v", "prores"], "prores"],
    ["-c: %d\n'\".mp4", h264, "h264"],
  ])("counts the frames of %j", async (name, options, codec) => {
    const path = await makeNumberedVideo(at(name), { frames: 7, width: 80, options });
    expect(await probeVideo(path)).toMatchObject({
      ...{ width: 80, height: 64, frames: 7, framesBasis: "counted", codec, hasAudio: false },
      ...{ rate: { numerator: 10, denominator: 1 }, rotation: 0, pixelAspect: 1 },
    });
  });

  it("sees sound, rotation and pixels that are not square", async () => {
    const path = await makeNumberedVideo(at("turned.mp4"), {
      ...{ frames: 5, width: 96 },
      options: [...tone, ...h264, "-vf", "setsar=4/3", "-c:a", "aac", "-t", "0.5"],
    });
    await turnClockwise(path);
    expect(await probeVideo(path)).toMatchObject({
      ...{ width: 64, height: 96, hasAudio: true, pixelAspect: 0.75, rotation: 90 },
    });
  });

  it.each([
    ["flat.gif", 64, 4, "got 64x4"],
    ["wide.avi", 16_392, 16, "got 16392x16"],
    ["huge.avi", 8192, 4400, "got 8192x4400"],
  ])("refuses the frames of %s", async (name, width, height, got) => {
    const source = ["-f", "lavfi", "-i", `color=gray:s=${width}x${height}:r=5`, "-frames:v", "1"];
    const codec = name.endsWith("avi") ? ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"] : [];
    const path = await makeWithFfmpeg(at(name), [...source, ...codec]);
    const message = expect.stringContaining(got);
    await expect(probeVideo(path)).rejects.toMatchObject({ reason: "frame-size", message });
  });

  it("refuses frames of one pixel", async () => {
    const gif = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
    await writeFile(at("one.gif"), Buffer.from(gif, "base64"));
    const message = expect.stringMatching(/expected frames of 8 to 16384 pixels .* got 1x1;/);
    await expect(probeVideo(at("one.gif"))).rejects.toMatchObject({
      reason: "frame-size",
      message,
    });
  });

  it("refuses frames of 20,000 pixels a side that a header only claims", async () => {
    const path = await makeNumberedVideo(at("claims.gif"), { frames: 2 });
    const bytes = await readFile(path);
    bytes.writeUInt16LE(20_000, 6);
    bytes.writeUInt16LE(20_000, 8);
    await writeFile(path, bytes);
    const message = expect.stringContaining("got 20000x20000");
    await expect(probeVideo(path)).rejects.toMatchObject({ reason: "frame-size", message });
  });

  it("refuses a video that ends before its index, and says so", async () => {
    const whole = await readFile(
      await makeNumberedVideo(at("whole.mp4"), { frames: 9, options: h264 }),
    );
    await writeFile(at("cut.mp4"), whole.subarray(0, whole.length * 0.6));
    await expect(probeVideo(at("cut.mp4"))).rejects.toMatchObject({ reason: "video-truncated" });
  });

  it.each([
    ["sound.m4a", [...tone, "-c:a", "aac"], "sound and no pictures"],
    ["sound.wav", tone, "a sound file"],
    ["image.png", ["-f", "lavfi", "-i", "color=s=64x64", "-frames:v", "1"], "a still image"],
  ])("refuses %s", async (name, options, got) => {
    const path = await makeWithFfmpeg(at(name), options);
    const message = expect.stringContaining(got);
    await expect(probeVideo(path)).rejects.toMatchObject({ reason: "not-a-video", message });
  });

  it("stops when asked", async () => {
    const path = await makeNumberedVideo(at("stop.mp4"), { frames: 2, options: h264 });
    const signal = AbortSignal.abort();
    await expect(probeVideo(path, { signal })).rejects.toMatchObject({ reason: "stopped" });
  });
});

describe("frameTimeS", () => {
  it("finds a frame's time where the rate varies", async () => {
    const uneven = "setpts='if(lt(N,4),N,4+(N-4)*3)/(10*TB)'";
    const path = await makeNumberedVideo(at("uneven.mkv"), {
      frames: 8,
      options: ["-vf", uneven, ...passthrough, ...h264],
    });
    const info = await probeVideo(path);
    expect(info.frames).toBe(8);
    expect(await frameTimeS(path, info, { frame: 3 })).toBeCloseTo(0.3, 2);
    expect(await frameTimeS(path, info, { frame: 6 })).toBeCloseTo(1, 2);
    expect(await frameTimeS(path, info, { frame: 8 })).toBeUndefined();
  });
});
