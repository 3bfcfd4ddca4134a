import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { clipHash, frameOf } from "./clip.js";
import { decodeClip } from "./decode.js";
import {
  frameNumbers,
  makeNumberedVideo,
  makeWithFfmpeg,
  passthrough,
  temporaryFolder,
  turnClockwise,
} from "./testing/generated-video.js";

const folder = await temporaryFolder();
const at = (name: string): string => join(folder, name);
const h264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p"];
const small = { stride: 1, frames: 4, width: 32, height: 32, fit: "stretch" } as const;
const numbered = await makeNumberedVideo(at("numbered.mp4"), { frames: 24, options: h264 });

describe("decodeClip", () => {
  it.each([
    [{ frame: 0 }, 1, [0, 1, 2, 3]],
    [{ frame: 3 }, 1, [3, 4, 5, 6]],
    [{ frame: 0 }, 2, [0, 2, 4, 6]],
    [{ frame: 5 }, 6, [5, 11, 17, 23]],
    [{ seconds: 0.5 }, 3, [5, 8, 11, 14]],
  ])("from %j with stride %i takes the frames %j", async (start, stride, frames) => {
    const clip = await decodeClip(numbered, { ...small, start, stride });
    expect(frameNumbers(clip)).toEqual(frames);
    expect(clip).toMatchObject({ frames: 4, height: 32, width: 32, damage: null });
    expect(clip.rate.numerator / clip.rate.denominator).toBeCloseTo(10 / stride);
    const startS = "seconds" in start ? start.seconds : start.frame / 10;
    expect(clip.startS).toBeCloseTo(startS);
    expect(clip.durationS).toBeCloseTo((4 * stride) / 10);
  });

  it.each([
    ["a.webm", ["-c:v", "libvpx-vp9", "-b:v", "200k"]],
    ["b.webm", ["-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "16", "-b:v", "200k"]],
    ["a.gif", []],
    ["a.avi", ["-c:v", "mpeg4", "-bf", "2", "-q:v", "2"]],
    ["a.ts", [...h264, "-bf", "3"]],
  ])("takes the frames of %s in the order in which they are shown", async (name, options) => {
    const path = await makeNumberedVideo(at(name), { frames: 12, options });
    const clip = await decodeClip(path, { ...small, start: { frame: 2 }, stride: 3 });
    expect(frameNumbers(clip)).toEqual([2, 5, 8, 11]);
  });

  it("takes frames of a varying rate as stored, and knows when the first is shown", async () => {
    const uneven = "setpts='if(lt(N,4),N,4+(N-4)*3)/(10*TB)'";
    const tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=4", "-c:a", "aac"];
    const path = await makeNumberedVideo(at("uneven.mp4"), {
      frames: 12,
      options: [...tone, "-vf", uneven, ...passthrough, ...h264],
    });
    const clip = await decodeClip(path, { ...small, start: { frame: 5 }, stride: 2 });
    expect(frameNumbers(clip)).toEqual([5, 7, 9, 11]);
    expect(clip.source.rateVaries).toBe(true);
    expect(clip.startS).toBeCloseTo(0.7, 2);
  });

  it("scales as ffmpeg's bicubic scale filter does, as the authors' loader", async () => {
    const path = await makeWithFfmpeg(at("picture.mp4"), [
      ...["-f", "lavfi", "-i", "testsrc2=s=96x72:r=10", "-frames:v", "3", ...h264],
    ]);
    const raw = await makeWithFfmpeg(at("picture.rgb"), [
      ...["-i", path, "-vf", "scale=40:64", "-pix_fmt", "rgb24", "-f", "rawvideo"],
    ]);
    const clip = await decodeClip(path, {
      ...{ start: { frame: 0 }, stride: 1, frames: 3 },
      ...{ width: 40, height: 64, fit: "stretch" },
    });
    expect(Buffer.compare(clip.pixels, await readFile(raw))).toBe(0);
    expect(clipHash(clip)).toMatch(/^[0-9a-f]{64}$/);
  });

  it("turns a rotated picture, crops its middle, and letterboxes it", async () => {
    // Left half black, right half white: turned clockwise the black one is on top.
    const halves = "color=black:s=64x96:r=5[a];color=white:s=64x96:r=5[b];[a][b]hstack";
    const path = await makeWithFfmpeg(at("halves.mp4"), [
      ...["-f", "lavfi", "-i", halves, "-frames:v", "2", ...h264],
    ]);
    await turnClockwise(path);
    const options = { start: { frame: 0 }, stride: 1, frames: 1, width: 64, height: 64 };
    const seen = async (fit: "crop" | "letterbox" | "stretch") => {
      const { pixels } = await decodeClip(path, { ...options, fit });
      const value = (x: number, y: number): string =>
        (pixels[(y * 64 + x) * 3] ?? 0) > 127 ? "white" : "black";
      return { top: value(32, 8), bottom: value(32, 56), left: value(2, 8), foot: value(2, 56) };
    };
    for (const fit of ["crop", "stretch"] as const) {
      expect(await seen(fit)).toEqual({
        ...{ top: "black", left: "black", bottom: "white", foot: "white" },
      });
    }
    expect(await seen("letterbox")).toEqual({
      ...{ top: "black", left: "black", bottom: "white", foot: "black" },
    });
  });

  it("says how many frames there are when there are too few", async () => {
    const few = decodeClip(numbered, { ...small, start: { frame: 10 }, stride: 2, frames: 10 });
    await expect(few).rejects.toMatchObject({
      reason: "too-few-frames",
      message: expect.stringMatching(/takes 29, got 24; ask for 7 frames, or for stride 1$/),
    });
    const late = decodeClip(numbered, { ...small, start: { frame: 100 } });
    await expect(late).rejects.toThrow("got 24; start at frame 20 or before");
    const after = decodeClip(numbered, { ...small, start: { seconds: 2.2 } });
    await expect(after).rejects.toThrow("got 2 after 2.2 s; ask for 2 frames");
  });

  it("tells a cut file from a short one, and gives what is whole of it", async () => {
    const options = [...h264, "-g", "1", "-bf", "0", "-qp", "0", "-movflags", "+faststart"];
    const noise = ["-f", "lavfi", "-i", "testsrc2=s=64x64:r=10", "-frames:v", "20"];
    const whole = await readFile(await makeWithFfmpeg(at("whole.mp4"), [...noise, ...options]));
    await writeFile(at("cut.mp4"), whole.subarray(0, whole.length / 2));
    const all = decodeClip(at("cut.mp4"), { ...small, start: { frame: 0 }, frames: 20 });
    await expect(all).rejects.toMatchObject({
      reason: "video-truncated",
      message: expect.stringMatching(/got \d+ of the 20 frames that its header names/),
    });
    const some = await decodeClip(at("cut.mp4"), { ...small, start: { frame: 0 } });
    expect(some.frames).toBe(4);
  });

  it("names damage that it could decode past", async () => {
    const path = await makeWithFfmpeg(at("damaged.avi"), [
      ...["-f", "lavfi", "-i", "testsrc2=s=64x64:r=10", "-frames:v", "8", "-c:v", "mpeg4"],
    ]);
    const bytes = await readFile(path);
    bytes.fill(0x55, bytes.length / 2, bytes.length / 2 + 300);
    await writeFile(path, bytes);
    const clip = await decodeClip(path, { ...small, start: { frame: 0 } });
    expect(clip.damage).not.toBeNull();
  });

  it("refuses a size that is no multiple of 8, and a clip that is too large", async () => {
    const odd = decodeClip(numbered, { ...small, start: { frame: 0 }, width: 33 });
    await expect(odd).rejects.toMatchObject({ reason: "frame-size" });
    const large = { ...small, start: { frame: 0 }, frames: 4096, width: 4096, height: 4096 };
    await expect(decodeClip(numbered, large)).rejects.toMatchObject({
      reason: "memory-short",
      message: expect.stringContaining("42 frames of this size fit"),
    });
  });

  it("stops ffmpeg when asked, and when its time is over", async () => {
    const long = await makeWithFfmpeg(at("long.mp4"), [
      ...["-f", "lavfi", "-i", "color=gray:s=640x480:r=60:d=60", ...h264, "-preset", "ultrafast"],
    ]);
    const options = { ...small, start: { frame: 3500 }, signal: AbortSignal.timeout(150) };
    await expect(decodeClip(long, options)).rejects.toMatchObject({ reason: "stopped" });
    const late = decodeClip(long, { ...small, start: { frame: 3500 }, timeLimitMs: 30 });
    await expect(late).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  });

  it("gives the same bytes again", async () => {
    const options = { ...small, start: { frame: 1 } };
    const [one, other] = [await decodeClip(numbered, options), await decodeClip(numbered, options)];
    expect(clipHash(one)).toBe(clipHash(other));
    expect(frameOf(one, 0).length).toBe(32 * 32 * 3);
  });
});
