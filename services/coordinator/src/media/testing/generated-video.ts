import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll } from "vitest";
import { type Clip, frameOf } from "../clip.js";
import { passthroughOptions, requireProgram } from "../programs.js";

const run = promisify(execFile);

/** Keeps the frames of a test's video as they are, in whatever version of ffmpeg is here. */
export const passthrough = passthroughOptions((await requireProgram("ffmpeg")).libavformat);

/** A folder that goes away when the tests of the file have ended. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "retake-media-"));
  afterAll(async () => await rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A disk of one megabyte, or null where the tests run as a user who may not mount one. */
export async function smallDisk(): Promise<string | null> {
  const place = await temporaryFolder();
  try {
    await run("mount", ["-t", "tmpfs", "-o", "size=1m", "none", place]);
  } catch {
    return null;
  }
  afterAll(async () => {
    await run("umount", [place]);
  });
  return place;
}

/** Makes a file with ffmpeg, which the code under test only gets to read. */
export async function makeWithFfmpeg(path: string, args: readonly string[]): Promise<string> {
  const fixed = ["-fflags", "+bitexact", "-threads", "1"];
  await run("ffmpeg", ["-v", "error", "-nostdin", "-y", ...args, ...fixed, `file:${path}`]);
  return path;
}

const picture = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=2"];
const sound = ["-f", "lavfi", "-i", "sine=frequency=440:duration=2"];
const vp8 = ["-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "9", "-b:v", "200k"];

/** Small videos of the formats that people have: names, and options for `makeWithFfmpeg`. */
export const smallVideos: Readonly<Record<string, readonly string[]>> = {
  "a.mp4": [...picture, ...sound, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"],
  "front.mp4": [...picture, "-c:v", "libx264", "-bf", "3", "-g", "5", "-movflags", "+faststart"],
  "fragments.mp4": [...picture, "-c:v", "libx264", "-movflags", "+frag_keyframe+empty_moov"],
  "mpeg4.mov": [...picture, "-c:v", "mpeg4", "-metadata:s:v:0", "rotate=90"],
  "vp9.webm": [...picture, ...sound, "-c:v", "libvpx-vp9", "-b:v", "200k", "-c:a", "libopus"],
  "vp8.webm": [...picture, ...vp8],
  "a.mkv": [...picture, ...sound, "-c:v", "libx264", "-c:a", "flac"],
  "a.gif": picture,
  "a.avi": [...picture, ...sound, "-c:v", "mpeg4", "-c:a", "mp2"],
  "jpeg.avi": [...picture, "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"],
  "a.ts": [...picture, ...sound, "-c:v", "libx264", "-c:a", "aac"],
  "a.flv": [...picture, "-c:v", "flv"],
};

export interface NumberedVideo {
  readonly frames: number;
  readonly width?: number;
  readonly height?: number;
  readonly rate?: string;
  /** Further options: codec, filters of the output, a second input. */
  readonly options?: readonly string[];
}

/** A video of flat grey frames that say their number: see `frameNumbers`. At most 27 frames. */
export async function makeNumberedVideo(path: string, video: NumberedVideo): Promise<string> {
  const { frames, width = 64, height = 64, rate = "10", options = [] } = video;
  const source = `nullsrc=s=${width}x${height}:r=${rate},geq=lum='16+8*N':cb=128:cr=128`;
  const input = ["-f", "lavfi", "-i", source];
  return await makeWithFfmpeg(path, [...input, ...options, "-frames:v", String(frames)]);
}

/** Marks an mp4 to be shown turned by 90 degrees clockwise, in the matrix of its first track. */
export async function turnClockwise(path: string): Promise<void> {
  const bytes = await readFile(path);
  const matrix = bytes.indexOf("tkhd") + 44;
  const [one, minusOne, unit] = [0x00010000, 0xffff0000, 0x40000000];
  for (const [index, value] of [0, one, 0, minusOne, 0, 0, 0, 0, unit].entries()) {
    bytes.writeUInt32BE(value, matrix + 4 * index);
  }
  await writeFile(path, bytes);
}

/** Which frames of a numbered video these are, read from the pixel in the middle. */
export function frameNumbers(clip: Clip): number[] {
  const middle = (Math.floor(clip.height / 2) * clip.width + Math.floor(clip.width / 2)) * 3;
  return Array.from({ length: clip.frames }, (_, index) => {
    const value = frameOf(clip, index)[middle] ?? 0;
    return Math.round((value * 219) / 255 / 8);
  });
}

/** A clip of seeded noise that is smooth enough to survive a codec. */
export function smoothClip(axes: { frames: number; height: number; width: number }): Clip {
  const { frames, height, width } = axes;
  const pixels = new Uint8Array(frames * height * width * 3);
  let at = 0;
  for (let frame = 0; frame < frames; frame++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        pixels[at++] = 128 + 100 * Math.sin((x + 3 * frame) / 9);
        pixels[at++] = 128 + 100 * Math.sin((y + 5 * frame) / 11);
        pixels[at++] = 128 + 60 * Math.sin((x + y) / 17);
      }
    }
  }
  return { pixels, frames, height, width };
}

/** A small random generator with a seed, so that a failing case can be run again. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
