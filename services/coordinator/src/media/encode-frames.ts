import { Readable } from "node:stream";
import { Code, RetakeError } from "@retake/errors";
import { outputError } from "./atomic-file.js";
import { assertClipSize, type Size } from "./clip-size.js";
import { limits } from "./limits.js";
import { probeVideo } from "./probe.js";
import { requireProgram } from "./programs.js";
import { isRate, type Rate } from "./rate.js";
import { type ProgramEnd, type ProgramInput, runFfmpeg } from "./run-program.js";

/** Frames that are made one at a time, so that not all of them are in memory at once. */
export interface Pictures extends Size {
  readonly frames: number;
  /** RGB, 0...255, `[height, width, 3]`. */
  readonly frameAt: (frame: number) => Uint8Array;
}

interface Target {
  /** The final name, for messages. */
  readonly path: string;
  readonly rate: Rate;
  readonly signal?: AbortSignal | undefined;
}

/** Gives the pictures to ffmpeg, which writes them to `temporary` as `after` says. */
export async function encodeFrames(
  pictures: Pictures,
  { path, rate, signal }: Target,
  how: {
    readonly temporary: string;
    readonly after: readonly string[];
    readonly audio?: ProgramInput | undefined;
  },
): Promise<void> {
  const program = await requireProgram("ffmpeg");
  const raw: ProgramInput = {
    source: Readable.from(eachFrame(pictures), { objectMode: false }),
    options: [
      ...["-hide_banner", "-nostdin", "-v", "error", "-nostats", "-y"],
      ...["-f", "rawvideo", "-pixel_format", "rgb24"],
      ...["-video_size", `${pictures.width}x${pictures.height}`],
      ...["-framerate", `${rate.numerator}/${rate.denominator}`],
    ],
  };
  const inputs = how.audio === undefined ? [raw] : [raw, how.audio];
  const end = await runFfmpeg(
    program.path,
    { inputs, options: how.after, output: `file:${how.temporary}` },
    { subject: `writing ${path}`, timeLimitMs: limits.encodeTimeMaxMs, signal },
  );
  if (end.exit !== null) throw encodeError(path, end);
}

/**
 * Reads the written file back. An ffmpeg that ran out of room does not always say so in its exit.
 *
 * @returns whether there is sound in it
 * @throws RetakeError ffmpeg-failed  when a frame is missing
 */
export async function assertEncoded(
  pictures: Pictures,
  { path, signal }: Target,
  temporary: string,
): Promise<boolean> {
  const { frames, hasAudio } = await probeVideo(temporary, { signal });
  if (frames === pictures.frames) return hasAudio;
  throw failed(`${path}: expected ${pictures.frames} frames in it, got ${frames}; try again`);
}

/** @throws RetakeError bad-option or frame-size  when the pictures or the rate cannot be written */
export function assertPictures(pictures: Pictures, rate: Rate): void {
  assertClipSize(pictures);
  if (!isRate(rate)) {
    const expected = `frames per second above 0 and at most ${limits.rateMax}`;
    throw badOption(`rate: expected ${expected}, got ${rate.numerator}/${rate.denominator}`);
  }
  const bytes = pictures.height * pictures.width * 3;
  const last = pictures.frames > 0 ? pictures.frameAt(pictures.frames - 1).length : 0;
  if (last === bytes) return;
  throw badOption(`clip: expected frames of ${bytes} bytes, got one of ${last}`);
}

function* eachFrame(pictures: Pictures): Generator<Uint8Array> {
  for (let frame = 0; frame < pictures.frames; frame++) yield pictures.frameAt(frame);
}

function encodeError(path: string, { exit, complaints }: ProgramEnd): RetakeError {
  if (/Unknown encoder '(\w+)'/.test(complaints)) {
    const message = `${path}: expected an ffmpeg that writes h264 (libx264), got one that does not`;
    const advice = "install one that does (Debian, Ubuntu: apt-get install ffmpeg)";
    return new RetakeError(Code.FailedPrecondition, "ffmpeg-missing", `${message}; ${advice}`);
  }
  const known = outputError(new Error(complaints), path);
  if (known.reason === "disk-full" || known.reason === "output-not-writable") return known;
  const last = complaints.split("\n").at(-1) ?? "";
  return failed(`writing ${path}: expected ffmpeg to end well, got ${exit}: ${last}; try again`);
}

function failed(message: string): RetakeError {
  return new RetakeError(Code.Internal, "ffmpeg-failed", message);
}

function badOption(message: string): RetakeError {
  return new RetakeError(Code.InvalidArgument, "bad-option", message);
}
