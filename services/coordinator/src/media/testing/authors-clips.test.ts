import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fitSize } from "../clip-size.js";
import { decodeClip } from "../decode.js";
import { encodeVideo } from "../encode.js";
import { probeVideo } from "../probe.js";
import { framesPerSecond } from "../rate.js";
import { authorsClips, authorsClipsAreThere, authorsClipsFolder } from "./authors-clips.js";
import { makeWithFfmpeg, passthrough, temporaryFolder } from "./generated-video.js";

const folder = await temporaryFolder();
const pathOf = (name: string): string => join(authorsClipsFolder, `${name}.mp4`);

describe.skipIf(!authorsClipsAreThere)(`the authors' clips in ${authorsClipsFolder}`, () => {
  it.each(authorsClips)("$name is read as what it is", async ({ name, side, sound, ...rest }) => {
    expect(await probeVideo(pathOf(name))).toMatchObject({
      ...{ width: side, height: side, ...rest, hasAudio: sound === "kept", codec: "h264" },
      ...{ framesBasis: "counted", rotation: 0, rateVaries: false },
    });
  });

  it.each(authorsClips)("$name decodes to ffmpeg's own frames, the authors' way", async (known) => {
    const path = pathOf(known.name);
    const every = "select='not(mod(n,2))',scale=512:512";
    const raw = await makeWithFfmpeg(join(folder, `${known.name}.rgb`), [
      ...["-i", path, "-vf", every, ...passthrough, "-frames:v", "24"],
      ...["-pix_fmt", "rgb24", "-f", "rawvideo"],
    ]);
    const size = fitSize({ width: known.side, height: known.side }, 512 * 512);
    const choice = { start: { frame: 0 }, stride: 2, frames: 24 } as const;
    const clip = await decodeClip(path, { ...choice, ...size, fit: "stretch" });
    expect(Buffer.compare(clip.pixels, await readFile(raw))).toBe(0);
    expect(clip.damage).toBeNull();
  });

  it.each(authorsClips)("$name becomes an mp4 of its rate, the same twice", async (known) => {
    const path = pathOf(known.name);
    const choice = { start: { frame: 4 }, stride: 2, frames: 8 } as const;
    const clip = await decodeClip(path, { ...choice, width: 128, height: 128, fit: "crop" });
    const audioFrom = { path, startS: clip.startS, durationS: clip.durationS };
    const made = ["1", "2"].map((copy) => join(folder, `${known.name}-${copy}.mp4`));
    for (const one of made) {
      const { sound } = await encodeVideo(clip, { path: one, rate: clip.rate, audioFrom });
      expect(sound).toBe(known.sound);
    }
    const [first, second] = await Promise.all(made.map((one) => readFile(one)));
    expect(first).toEqual(second);
    const info = await probeVideo(made[0] ?? "");
    expect(info).toMatchObject({ frames: 8, width: 128, height: 128 });
    expect(framesPerSecond(info.rate)).toBeCloseTo(framesPerSecond(known.rate) / 2, 4);
  });
});
