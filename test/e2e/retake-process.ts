import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, readdir, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { repository as root } from "./repository.js";

/** The command, as Node runs it. */
export const program = join(root, "packages/cli/bin/retake.js");

/** Files of the repository that the tests read. */
export const demoModel = join(root, "models/demo");
export const demoClip = join(demoModel, "clips/car-running-grass.mp4");
export const tinyModel = join(root, "test/golden/data/tiny-sd");
/** Clips of the method's authors: not part of the repository, used where they are there. */
export const sharedClips = join(root, "../shared/clips");

/** How a process ended, and what it said. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

/** Folders of a test, away from everything else. */
export interface Workplace {
  readonly path: string;
  /** For `RETAKE_CACHE`. */
  readonly cacheDir: string;
  /** For `TMPDIR`. */
  readonly temporaryDir: string;
  readonly remove: () => Promise<void>;
}

export async function createWorkplace(): Promise<Workplace> {
  const path = await realpath(await mkdtemp(join(tmpdir(), "retake-e2e-")));
  return {
    path,
    cacheDir: join(path, "cache"),
    temporaryDir: path,
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Called as soon as the process is there, to end it. */
  readonly onStart?: (child: ChildProcess) => void;
}

/** Runs `retake` in a process of its own, as a user would. */
export function retake(
  workplace: Workplace,
  args: readonly string[],
  options: RunOptions = {},
): Promise<ProcessEnd> {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: workplace.path,
    env: {
      ...process.env,
      ...{ RETAKE_CACHE: workplace.cacheDir, TMPDIR: workplace.temporaryDir, RETAKE_DEBUG: "" },
      ...options.env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { out: "", err: "" };
  child.stdout.on("data", (bytes: Buffer) => (said.out += bytes.toString()));
  child.stderr.on("data", (bytes: Buffer) => (said.err += bytes.toString()));
  options.onStart?.(child);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, ...said }));
  });
}

/** What an edit is made of in these tests: small, but every phase does something. */
export const smallEdit: readonly string[] = [
  ...["edit", demoClip, "--model", demoModel],
  ...["--source", "a car is running on the grass"],
  ...["--prompt", "a horse is running on the grass", "--prompt", "a car is running in the desert"],
  ...["--frames", "4", "--size", "32x32", "--steps", "4", "--ddim", "4", "--threads", "1"],
];

export interface VideoFacts {
  readonly frames: number;
  readonly width: number;
  readonly height: number;
  readonly rate: string;
  readonly hasAudio: boolean;
}

/** What ffprobe says of a video, frames counted by decoding them. */
export async function videoFacts(path: string): Promise<VideoFacts> {
  const asked = ["-v", "error", "-count_frames", "-show_streams", "-of", "json", path];
  const { stdout } = await promisify(execFile)("ffprobe", asked);
  const { streams }: { streams: Readonly<Record<string, unknown>>[] } = JSON.parse(stdout);
  const video = streams.find((stream) => stream["codec_type"] === "video") ?? {};
  return {
    frames: Number(video["nb_read_frames"]),
    width: Number(video["width"]),
    height: Number(video["height"]),
    rate: String(video["r_frame_rate"]),
    hasAudio: streams.some((stream) => stream["codec_type"] === "audio"),
  };
}

/** Files that should not outlive a run: temporary names of results, artifacts and snapshots. */
export async function leftovers(workplace: Workplace): Promise<readonly string[]> {
  const names = await readdir(workplace.path, { recursive: true });
  return names.filter((name) => /(\.part|\.tmp)(\/|$)|\.retake-|retake-probe/.test(name));
}
