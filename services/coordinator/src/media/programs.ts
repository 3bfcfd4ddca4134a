import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { Code, RetakeError } from "@retake/errors";
import { limits } from "./limits.js";
import { runPlain } from "./run-program.js";

export type ProgramName = "ffmpeg" | "ffprobe";

/** A program that was found, or why not. */
export type ProgramStatus = FoundProgram | { readonly found: false; readonly reason: string };

export interface FoundProgram {
  readonly found: true;
  readonly path: string;
  readonly version: string;
  /** The version of the library that opens files, such as "59.27.100" in ffmpeg 5.1. */
  readonly libavformat: string;
}

export interface Programs {
  readonly ffmpeg: ProgramStatus;
  readonly ffprobe: ProgramStatus;
  /** Whether ffmpeg can write h264 (libx264); null where there is no ffmpeg to ask. */
  readonly writesH264: boolean | null;
}

type Environment = Readonly<Record<string, string | undefined>>;
const howToGet =
  "install it (Debian, Ubuntu: apt-get install ffmpeg; macOS: brew install ffmpeg)" +
  " or set FFMPEG_PATH and FFPROBE_PATH";

const found = new Map<string, Promise<ProgramStatus>>();

/** Looks for ffmpeg and ffprobe, as `retake doctor` shows them. Never throws for a missing one. */
export async function findPrograms(
  options: { readonly env?: Environment } = {},
): Promise<Programs> {
  const env = options.env ?? process.env;
  const ffmpeg = await findProgram("ffmpeg", env);
  const ffprobe = await findProgram("ffprobe", env);
  if (!ffmpeg.found) return { ffmpeg, ffprobe, writesH264: null };
  const encoders = await printed(ffmpeg.path, ["-hide_banner", "-encoders"]);
  return { ffmpeg, ffprobe, writesH264: / libx264 /.test(encoders) };
}

/**
 * The program's path and version; the answer is kept for the life of the process.
 *
 * @throws RetakeError ffmpeg-missing, with one sentence on how to get it
 */
export async function requireProgram(
  name: ProgramName,
  env: Environment = process.env,
): Promise<FoundProgram> {
  const key = [name, env[variable(name)] ?? "", env.PATH ?? ""].join("\n");
  const search = found.get(key) ?? findProgram(name, env);
  found.set(key, search);
  const status = await search;
  if (status.found) return status;
  found.delete(key);
  throw new RetakeError(Code.FailedPrecondition, "ffmpeg-missing", status.reason);
}

/**
 * How this ffmpeg is told to keep frames as they are stored: 5.1 gave the option a new name. Its
 * library's number is asked, because builds from git have no version.
 */
export function passthroughOptions(libavformat: string): readonly string[] {
  const [major = 0, minor = 0] = libavformat.split(".").map(Number);
  const renamed = major > 59 || (major === 59 && minor >= 27);
  return renamed ? ["-fps_mode", "passthrough"] : ["-vsync", "0"];
}

function variable(name: ProgramName): string {
  return name === "ffmpeg" ? "FFMPEG_PATH" : "FFPROBE_PATH";
}

async function findProgram(name: ProgramName, env: Environment): Promise<ProgramStatus> {
  const given = env[variable(name)];
  const folders = (env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const candidates = given ? [given] : folders.map((folder) => join(folder, name));
  const where = given ? `${variable(name)}=${given}` : "PATH";
  for (const path of candidates) {
    if (!(await isProgram(path))) continue;
    const text = await printed(path, ["-version"]);
    const version = /^\S+ version (\S+)/.exec(text)?.[1];
    const libavformat = /^libavformat\s+(\d+)\.\s*(\d+)\.\s*(\d+)/m.exec(text)?.slice(1).join(".");
    if (version !== undefined && libavformat !== undefined) {
      return { found: true, path, version, libavformat };
    }
    const reason = `${name}: expected ${path} to print its version, got none; ${howToGet}`;
    return { found: false, reason };
  }
  return { found: false, reason: `${name}: expected it on ${where}, got nothing; ${howToGet}` };
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** What the program prints, or "" when it cannot be run. */
async function printed(path: string, args: readonly string[]): Promise<string> {
  const chunks: Uint8Array[] = [];
  const onOutput = (bytes: Uint8Array): boolean => chunks.push(bytes) < 10_000;
  const bounds = { subject: path, timeLimitMs: limits.versionTimeMaxMs, onOutput };
  try {
    await runPlain(path, args, bounds);
  } catch {
    return "";
  }
  return Buffer.concat(chunks).toString("utf8");
}
