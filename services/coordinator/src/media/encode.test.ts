import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { decodeClip } from "./decode.js";
import { encodeGif, encodeVideo } from "./encode.js";
import { probeVideo } from "./probe.js";
import {
  makeNumberedVideo,
  makeWithFfmpeg,
  seededRandom,
  smallDisk,
  smoothClip,
  temporaryFolder,
} from "./testing/generated-video.js";

const folder = await temporaryFolder();
const disk = await smallDisk();
const run = promisify(execFile);
const at = (name: string): string => join(folder, name);
const clip = smoothClip({ frames: 6, height: 48, width: 64 });
const rate = { numerator: 15000, denominator: 1001 };
const tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=3", "-c:a", "aac"];
const h264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p"];

describe("encodeVideo", () => {
  it("writes what a player expects, at the rate and size asked for", async () => {
    expect(await encodeVideo(clip, { path: at("a.mp4"), rate })).toEqual({ sound: "none" });
    expect(await probeVideo(at("a.mp4"))).toMatchObject({
      ...{ width: 64, height: 48, frames: 6, rate, codec: "h264", hasAudio: false },
    });
    const bytes = await readFile(at("a.mp4"));
    expect(bytes.indexOf("moov")).toBeLessThan(bytes.indexOf("mdat"));
    expect(bytes.includes("avc1")).toBe(true);
  });

  it("keeps the colours through a round trip", async () => {
    await encodeVideo(clip, { path: at("b.mp4"), rate });
    const back = await decodeClip(at("b.mp4"), {
      ...{ start: { frame: 0 }, stride: 1, frames: 6, width: 64, height: 48, fit: "stretch" },
    });
    let sum = 0;
    for (const [index, value] of back.pixels.entries()) {
      sum += Math.abs(value - (clip.pixels[index] ?? 0));
    }
    // Most of it is chroma, which has a quarter of the pixels.
    expect(sum / clip.pixels.length).toBeLessThan(4);
  });

  it.each([
    [255, 0, 0],
    [0, 255, 0],
    [0, 0, 255],
    [255, 255, 255],
    [200, 50, 120],
  ])("keeps the plain colour %i %i %i to the last bit or two", async (...colour) => {
    const pixels = new Uint8Array(16 * 16 * 3).map((_, index) => colour[index % 3] ?? 0);
    const path = at("colour.mp4");
    await encodeVideo({ pixels, frames: 1, height: 16, width: 16 }, { path, rate });
    const back = await decodeClip(path, {
      ...{ start: { frame: 0 }, stride: 1, frames: 1, width: 16, height: 16, fit: "stretch" },
    });
    for (const [axis, value] of colour.entries()) {
      expect(Math.abs((back.pixels[axis] ?? -1) - value)).toBeLessThanOrEqual(2);
    }
  });

  it("writes the same bytes again, with sound too", async () => {
    const source = await makeWithFfmpeg(at("tone.mp4"), [
      ...["-f", "lavfi", "-i", "testsrc2=s=64x64:r=10:d=3", ...tone, ...h264, "-t", "3"],
    ]);
    const audioFrom = { path: source, startS: 0.5, durationS: 0.4004 };
    const paths = [at("c.mp4"), at("d.mp4")];
    for (const path of paths) {
      expect(await encodeVideo(clip, { path, rate, audioFrom })).toEqual({ sound: "kept" });
    }
    const [one, other] = await Promise.all(paths.map((path) => readFile(path)));
    expect(one).toEqual(other);
    const info = await probeVideo(at("c.mp4"));
    expect(info).toMatchObject({ hasAudio: true, frames: 6 });
    expect(info.durationS).toBeCloseTo(0.4, 1);
  });

  it("writes the pictures when the sound is missing or broken, and says so", async () => {
    const silent = await makeNumberedVideo(at("silent.mp4"), { frames: 3, options: h264 });
    const sound = { startS: 0, durationS: 1 };
    const path = at("e.mp4");
    expect(await encodeVideo(clip, { path, rate, audioFrom: { path: silent, ...sound } })).toEqual({
      sound: "none",
    });
    const gone = { path: at("gone.mp4"), ...sound };
    expect(await encodeVideo(clip, { path, rate, audioFrom: gone })).toEqual({
      sound: "unreadable",
    });
  });

  it("writes pictures past the end of the sound", async () => {
    const source = await makeWithFfmpeg(at("brief.mp4"), [
      ...["-f", "lavfi", "-i", "testsrc2=s=64x64:r=10:d=2", ...tone, ...h264, "-t", "2"],
    ]);
    const audioFrom = { path: source, startS: 100, durationS: 1 };
    expect(await encodeVideo(clip, { path: at("f.mp4"), rate, audioFrom })).toEqual({
      sound: "none",
    });
    expect((await probeVideo(at("f.mp4"))).frames).toBe(6);
  });

  it("writes one frame, and a rate below one", async () => {
    const one = smoothClip({ frames: 1, height: 8, width: 8 });
    const slow = { numerator: 1, denominator: 3 };
    await encodeVideo(one, { path: at("g.mp4"), rate: slow });
    expect(await probeVideo(at("g.mp4"))).toMatchObject({ frames: 1, width: 8, height: 8 });
  });

  it.each([
    ["rate", clip, { numerator: 0, denominator: 1 }, "bad-option"],
    ["rate", clip, { numerator: 1001, denominator: 1 }, "bad-option"],
    ["pixels", { ...clip, frames: 7 }, rate, "bad-option"],
    ["no frames", { ...clip, frames: 0 }, rate, "bad-option"],
    ["size", { ...clip, width: 63 }, rate, "frame-size"],
  ])("refuses a wrong %s", async (_name, bad, at24, reason) => {
    const before = await readdir(folder);
    await expect(encodeVideo(bad, { path: at("no.mp4"), rate: at24 })).rejects.toMatchObject({
      reason,
    });
    expect(await readdir(folder)).toEqual(before);
  });

  it("leaves nothing when it is stopped, and what was there stays", async () => {
    await writeFile(at("kept.mp4"), "old");
    const before = await readdir(folder);
    const large = smoothClip({ frames: 40, height: 256, width: 256 });
    for (const delayMs of [0, 5, 20, 60]) {
      const signal = AbortSignal.timeout(delayMs);
      const stopped = encodeVideo(large, { path: at("kept.mp4"), rate, signal });
      await expect(stopped).rejects.toMatchObject({ reason: "stopped", code: "CANCELED" });
    }
    expect(await readdir(folder)).toEqual(before);
    expect(await readFile(at("kept.mp4"), "utf8")).toBe("old");
  });

  it("says when the folder is not there", async () => {
    const path = at("nowhere/a.mp4");
    await expect(encodeVideo(clip, { path, rate })).rejects.toMatchObject({
      reason: "output-not-writable",
      message: expect.stringContaining("expected a folder that can be written to"),
    });
  });
});

describe("encodeVideo on a disk of one megabyte", () => {
  it.skipIf(disk === null)("says that it is full, and leaves nothing", async () => {
    const random = seededRandom(7);
    const noise = smoothClip({ frames: 30, height: 256, width: 256 });
    noise.pixels.forEach((_, index, pixels) => {
      pixels[index] = 256 * random();
    });
    const path = join(disk ?? "", "a.mp4");
    await expect(encodeVideo(noise, { path, rate })).rejects.toMatchObject({ reason: "disk-full" });
    expect(await readdir(disk ?? "")).toEqual([]);
  });
});

describe("encodeVideo in a process that is told to end", () => {
  it("leaves neither a file nor an ffmpeg behind", async () => {
    const place = at("ended");
    await mkdir(place);
    const module = fileURLToPath(new URL("../../dist/index.js", import.meta.url));
    const script = `import { encodeVideo } from ${JSON.stringify(module)};
      const [frames, height, width] = [400, 512, 512];
      const pixels = new Uint8Array(frames * height * width * 3);
      pixels.forEach((_, i) => { pixels[i] = (i * 2654435761) >>> 13; });
      setTimeout(() => process.kill(process.pid, "SIGTERM"), 400);
      await encodeVideo({ pixels, frames, height, width },
        { path: ${JSON.stringify(join(place, "a.mp4"))}, rate: ${JSON.stringify(rate)} });`;
    const child = run(process.execPath, ["--input-type=module", "-e", script]);
    await expect(child).rejects.toMatchObject({ signal: "SIGTERM" });
    expect(await readdir(place)).toEqual([]);
    const left = async (): Promise<string> =>
      await run("pgrep", ["-f", place])
        .then(({ stdout }) => stdout)
        .catch(() => "none");
    await expect.poll(left).toBe("none");
  });
});

describe("encodeGif", () => {
  it("writes every frame, and the same bytes again", async () => {
    for (const name of ["a.gif", "b.gif"]) {
      await encodeGif(clip, { path: at(name), rate: { numerator: 10, denominator: 1 } });
    }
    expect(await readFile(at("a.gif"))).toEqual(await readFile(at("b.gif")));
    expect(await probeVideo(at("a.gif"))).toMatchObject({ frames: 6, width: 64, height: 48 });
  });
});
