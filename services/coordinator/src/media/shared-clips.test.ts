import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { clipHash } from "./clip.js";
import { fitSize } from "./clip-size.js";
import { decodeClip } from "./decode.js";
import { encodeVideo } from "./encode.js";
import { probeVideo } from "./probe.js";
import { makeWithFfmpeg, passthrough, temporaryFolder } from "./testing/generated-video.js";

/** The authors' clips lie beside the repository, not in it: these tests need ../shared/clips. */
const clips = fileURLToPath(new URL("../../../../../shared/clips", import.meta.url));
const there = existsSync(clips);
const folder = await temporaryFolder();
const rows = [
  ["car-turn", 480, 80, { numerator: 10, denominator: 1 }, false],
  ["man-skiing", 718, 91, { numerator: 30_000, denominator: 1001 }, true],
] as const;

describe.skipIf(!there)(`the authors' clips in ${clips}`, () => {
  it.each(rows)("%s is read as what it is", async (name, side, frames, rate, hasAudio) => {
    expect(await probeVideo(join(clips, `${name}.mp4`))).toMatchObject({
      ...{ width: side, height: side, frames, rate, hasAudio, codec: "h264" },
      ...{ framesBasis: "counted", rotation: 0, rateVaries: false },
    });
  });

  it.each(rows)("%s decodes to ffmpeg's own frames, as the authors take them", async (name) => {
    const path = join(clips, `${name}.mp4`);
    const every = "select='not(mod(n,2))',scale=512:512";
    const raw = await makeWithFfmpeg(join(folder, `${name}.rgb`), [
      ...["-i", path, "-vf", every, ...passthrough, "-frames:v", "24"],
      ...["-pix_fmt", "rgb24", "-f", "rawvideo"],
    ]);
    const size = fitSize({ width: 718, height: 718 }, 512 * 512);
    const choice = { start: { frame: 0 }, stride: 2, frames: 24 } as const;
    const clip = await decodeClip(path, { ...choice, ...size, fit: "stretch" });
    expect(Buffer.compare(clip.pixels, await readFile(raw))).toBe(0);
    expect(clip.damage).toBeNull();
  });

  it.each(rows)("%s makes an mp4 with its rate, sound and the same bytes twice", async (...row) => {
    const [name, , , rate, hasAudio] = row;
    const path = join(clips, `${name}.mp4`);
    const choice = { start: { frame: 4 }, stride: 2, frames: 8 } as const;
    const clip = await decodeClip(path, { ...choice, width: 128, height: 128, fit: "crop" });
    const audioFrom = { path, startS: clip.startS, durationS: clip.durationS };
    const made = [join(folder, `${name}-1.mp4`), join(folder, `${name}-2.mp4`)];
    for (const one of made) {
      const sound = hasAudio ? "kept" : "none";
      const written = await encodeVideo(clip, { path: one, rate: clip.rate, audioFrom });
      expect(written).toEqual({ sound });
    }
    const [first, second] = await Promise.all(made.map((one) => readFile(one)));
    expect(first).toEqual(second);
    const info = await probeVideo(made[0] ?? "");
    expect(info).toMatchObject({ frames: 8, width: 128, height: 128, hasAudio });
    const ratio =
      (info.rate.numerator * rate.denominator) / (info.rate.denominator * rate.numerator);
    expect(ratio).toBeCloseTo(1 / 2, 6);
    expect(clipHash(clip)).toHaveLength(64);
  });
});
