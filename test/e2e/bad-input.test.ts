import { execFile } from "node:child_process";
import { access, copyFile, mkdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createWorkplace,
  demoClip,
  demoModel,
  leftovers,
  retake,
  type Workplace,
} from "./retake-process.js";

let workplace: Workplace;
const at = (name: string): string => join(workplace.path, name);
const run = promisify(execFile);

/** ffmpeg makes a video of its test picture. */
async function makeVideo(name: string, picture: string, options: readonly string[] = []) {
  const input = ["-v", "error", "-f", "lavfi", "-i", picture];
  await run("ffmpeg", [...input, ...options, "-pix_fmt", "yuv420p", at(name)]);
}

beforeAll(async () => {
  workplace = await createWorkplace();
  await writeFile(at("text.mp4"), "This is no video.\n");
  await writeFile(at("empty.mp4"), "");
  const target = `file:${demoClip}`;
  await writeFile(at("playlist.mp4"), `#EXTM3U\n#EXTINF:1,\n${target}\n#EXT-X-ENDLIST\n`);
  await writeFile(at("concat.mp4"), `ffconcat version 1.0\nfile '${demoClip}'\n`);
  await copyFile(demoClip, at("cut.mp4"));
  await truncate(at("cut.mp4"), 3000);
  await makeVideo("pixel.mkv", "testsrc=size=2x2:rate=8:duration=2", ["-c:v", "ffv1"]);
  await makeVideo("wide.mkv", "color=size=20000x16:rate=8:duration=1", ["-c:v", "ffv1"]);
});
afterAll(() => workplace.remove());

interface Case {
  readonly name: string;
  readonly code: number;
  readonly reason: string;
  readonly says: RegExp;
  readonly clip?: string;
  readonly args?: readonly string[];
  /** Instead of the usual sentences. */
  readonly sentences?: readonly string[];
}

const sentences = ["--source", "a car is running", "--prompt", "a horse is running"];
const option = (...args: readonly string[]): Case => ({
  ...{ name: args.join(" "), code: 2, reason: "bad-option", says: /expected .* got / },
  args,
});

const videos: readonly Case[] = [
  { name: "no file", clip: "none.mp4", code: 3, reason: "file-not-found", says: /nothing there/ },
  { name: "a folder", clip: ".", code: 2, reason: "file-unreadable", says: /a folder/ },
  { name: "a text", clip: "text.mp4", code: 2, reason: "not-a-video", says: /text/ },
  { name: "an empty file", clip: "empty.mp4", code: 2, reason: "not-a-video", says: /empty/ },
  { name: "a playlist", clip: "playlist.mp4", code: 2, reason: "not-a-video", says: /playlist/ },
  { name: "a concat script", clip: "concat.mp4", code: 2, reason: "not-a-video", says: /concat/ },
  { name: "a cut video", clip: "cut.mp4", code: 2, reason: "video-truncated", says: /cut/ },
  {
    name: "frames of 2 pixels",
    clip: "pixel.mkv",
    code: 2,
    reason: "frame-size",
    says: /got 2x2/,
  },
  {
    name: "frames of 20,000",
    clip: "wide.mkv",
    code: 2,
    reason: "frame-size",
    says: /got 20000x16/,
  },
  {
    ...{ name: "too few frames", args: ["--frames", "9"], code: 2 },
    ...{ reason: "too-few-frames", says: /got 8; ask for 8 frames/ },
  },
];

const options: readonly Case[] = [
  option("--frames", "many"),
  option("--frames", "NaN"),
  option("--frames", "-1"),
  option("--frames", "1e99"),
  option("--steps", "0x10"),
  option("--rate", "0"),
  option("--rate", "Infinity"),
  option("--guidance", "0.5"),
  option("--seed", "1.5"),
  option("--strength", "2"),
  option("--ddim", ""),
  option("--mode", "fast"),
  option("--engine", "gpu"),
  option("--start", "soon"),
  option("--size", "64"),
  { ...option("--ddim", "2000"), says: /an integer from 1 to/ },
  { ...option("--size", "60x60"), reason: "frame-size", says: /multiple of 8/ },
  { ...option("--fps", "12"), says: /unknown option '--fps'/ },
  { ...option("--letterbox", "--stretch"), says: /one way/ },
  {
    ...{ name: "1024 frames of 4096x4096", args: ["--frames", "1024", "--size", "4096x4096"] },
    ...{ code: 5, reason: "memory-short", says: /expected at least [\d.]+ .B for .* free; / },
  },
  {
    ...{ name: "no prompt", sentences: ["--source", "a car"], code: 2, reason: "prompt-empty" },
    says: /--prompt: expected a sentence/,
  },
  {
    ...{ name: "an empty prompt", sentences: ["--source", "a car", "--prompt", " "], code: 2 },
    ...{ reason: "prompt-empty", says: /got an empty one/ },
  },
  {
    ...{ name: "no source", sentences: ["--prompt", "a horse"], code: 2, reason: "prompt-empty" },
    says: /--source: expected a sentence/,
  },
  {
    ...{ name: "a prompt of 10,000 characters", code: 2, reason: "prompt-too-long" },
    sentences: ["--source", "a car", "--prompt", "x".repeat(10_000)],
    says: /at most 2000 characters, got 10000/,
  },
  {
    ...{ name: "a model that is not there", args: ["--model", "nobody"], code: 3 },
    ...{ reason: "file-not-found", says: /a checkpoint folder or a hub id/ },
  },
  {
    ...{ name: "a hub id without the network", args: ["--model", "a/b", "--offline"], code: 6 },
    ...{ reason: "offline", says: /go online/ },
  },
  {
    ...{ name: "a manifest that is none", args: ["--manifest", demoClip], sentences: [], code: 2 },
    ...{ reason: "file-malformed", says: /manifest/ },
  },
];

describe("retake edit refuses", () => {
  it.each([...videos, ...options])("$name", async (refused) => {
    const { clip = demoClip, args = [] } = refused;
    const out = at("result");
    const model = args.includes("--model") || args.includes("--manifest") ? [] : demoModel;
    const end = await retake(workplace, [
      ...["edit", clip === demoClip ? clip : at(clip), "--json", "--out", out],
      ...(typeof model === "string" ? ["--model", model] : model),
      ...(refused.sentences ?? sentences),
      ...args,
    ]);
    const last: unknown = JSON.parse(end.err.trim().split("\n").at(-1) ?? "");
    expect(last).toMatchObject({ event: "error", reason: refused.reason });
    expect(last).toMatchObject({ message: expect.stringMatching(refused.says) });
    expect([end.code, end.signal, end.out]).toEqual([refused.code, null, ""]);
    expect(end.err).not.toMatch(/\n\s+at /);
    await expect(access(out)).rejects.toThrow("ENOENT");
    expect(await leftovers(workplace)).toEqual([]);
  });

  it("unless it is only asked for help, which it gives at once", async () => {
    let fastestMs = Number.POSITIVE_INFINITY;
    for (let run = 0; run < 5; run += 1) {
      const beganMs = performance.now();
      const end = await retake(workplace, ["edit", "--help"]);
      fastestMs = Math.min(fastestMs, performance.now() - beganMs);
      expect([end.code, end.err]).toEqual([0, ""]);
    }
    expect(fastestMs).toBeLessThan(300);
  });

  it("says it in one line where nobody asked for JSON", async () => {
    const end = await retake(workplace, ["edit", demoClip, "--model", demoModel, "--frames", "x"]);
    expect(end.err.trim().split("\n")).toEqual([
      'retake: --frames: expected a whole number from 1 to 4096, got "x"; see retake --help',
    ]);
  });
});

/** Whether this user may mount a small disk, so that it can be filled. */
async function mounted(path: string, options: string): Promise<boolean> {
  await mkdir(path, { recursive: true });
  return run("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path]).then(
    () => true,
    () => false,
  );
}

describe("retake edit finds out before it works", () => {
  const args = ["edit", demoClip, "--model", demoModel, ...sentences, "--json"];

  it("that the result's disk is full", async ({ skip }) => {
    const disk = at("small");
    if (!(await mounted(disk, "size=256k"))) return skip("mounting is not allowed here");
    try {
      const end = await retake(workplace, [...args, "--out", join(disk, "result")]);
      expect([end.code, end.err]).toEqual([5, expect.stringContaining('"reason":"disk-full"')]);
      expect(end.err).not.toContain('"phase":"tune"');
      await expect(access(join(disk, "result"))).rejects.toThrow("ENOENT");
    } finally {
      await run("umount", [disk]);
    }
  });

  it("that the cache's disk is full", async ({ skip }) => {
    const disk = at("small-cache");
    if (!(await mounted(disk, "size=256k"))) return skip("mounting is not allowed here");
    try {
      const env = { RETAKE_CACHE: join(disk, "cache") };
      const end = await retake(workplace, [...args, "--out", at("result")], { env });
      expect([end.code, end.err]).toEqual([5, expect.stringContaining('"reason":"disk-full"')]);
      await expect(access(at("result"))).rejects.toThrow("ENOENT");
    } finally {
      await run("umount", [disk]);
    }
  });

  it("that the result's folder is read-only", async ({ skip }) => {
    const disk = at("read-only");
    if (!(await mounted(disk, "size=256k,ro"))) return skip("mounting is not allowed here");
    try {
      const end = await retake(workplace, [...args, "--out", join(disk, "result")]);
      const reason = '"reason":"output-not-writable"';
      expect([end.code, end.err]).toEqual([4, expect.stringContaining(reason)]);
      expect(end.err).not.toContain('"phase":"decode"');
    } finally {
      await run("umount", [disk]);
    }
  });

  it("that the result would take the place of a file", async () => {
    const end = await retake(workplace, [...args, "--out", at("text.mp4")]);
    const reason = '"reason":"output-not-writable"';
    expect([end.code, end.err]).toEqual([4, expect.stringContaining(reason)]);
    expect(await readFile(at("text.mp4"), "utf8")).toBe("This is no video.\n");
  });
});
