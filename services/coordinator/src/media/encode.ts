import { Readable } from "node:stream";
import { Code, RetakeError } from "@retake/errors";
import { outputError, writeAtomically } from "./atomic-file.js";
import { type Clip, frameOf } from "./clip.js";
import { assertClipSize } from "./clip-size.js";
import { hardenedOptions, inputFile } from "./input-file.js";
import { limits } from "./limits.js";
import { probeVideo } from "./probe.js";
import { requireProgram } from "./programs.js";
import { isRate, type Rate } from "./rate.js";
import { type ProgramEnd, type ProgramInput, runFfmpeg } from "./run-program.js";

/** A stretch of another file's sound. */
export interface AudioSource {
  readonly path: string;
  readonly startS: number;
  readonly durationS: number;
}

export interface EncodeOptions {
  readonly path: string;
  readonly rate: Rate;
  readonly signal?: AbortSignal | undefined;
}

/** What became of the sound: in the file, not asked for or not there, or it could not be read. */
export interface EncodedVideo {
  readonly sound: "kept" | "none" | "unreadable";
}

const quality = ["-preset", "medium", "-crf", "14"];
/** Tells players, and our own decoder, how the colours were turned into luma and chroma. */
const colours = [
  ...["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"],
  ...["-color_range", "tv"],
];

/**
 * Writes the clip as mp4: h264, yuv420p, index in front, the sound of `audioFrom` if there is one.
 * The same clip gives the same bytes with the same ffmpeg: no dates, no names, one encoder thread.
 * Sound that cannot be read is left out, and the result says so: an edit is not lost for it.
 *
 * @throws RetakeError disk-full, output-not-writable, bad-option, frame-size, ffmpeg-missing,
 *   ffmpeg-failed or stopped; then nothing stands under `path` that was not there before
 */
export async function encodeVideo(
  clip: Clip,
  options: EncodeOptions & { readonly audioFrom?: AudioSource | undefined },
): Promise<EncodedVideo> {
  assertEncodable(clip, options.rate);
  return await writeAtomically(options.path, async (temporary) => {
    const sound = await soundOf(options.audioFrom, options.signal);
    try {
      await encodeMp4(clip, options, { temporary, ...sound });
      return { sound: sound.state };
    } catch (thrown) {
      const own = thrown instanceof RetakeError && thrown.reason !== "ffmpeg-failed";
      if (own || sound.state !== "kept") throw thrown;
      await encodeMp4(clip, options, { temporary });
      return { sound: "unreadable" };
    }
  });
}

/** Writes the clip as an endless GIF with its own palette of 256 colours. */
export async function encodeGif(clip: Clip, options: EncodeOptions): Promise<void> {
  assertEncodable(clip, options.rate);
  const palette = "split[a][b];[a]palettegen=stats_mode=full[p]";
  const graph = `${palette};[b][p]paletteuse=dither=bayer:bayer_scale=3`;
  await writeAtomically(options.path, async (temporary) => {
    const after = ["-filter_complex", graph, "-loop", "0", "-fflags", "+bitexact", "-f", "gif"];
    await encode(clip, options, { temporary, after });
  });
}

type Mp4Parts = { readonly temporary: string; readonly audio?: ProgramInput | undefined };

async function encodeMp4(clip: Clip, options: EncodeOptions, parts: Mp4Parts): Promise<void> {
  const toYuv =
    "scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int";
  const sound = ["-map", "1:a:0?", "-c:a", "aac", "-b:a", "160k", "-flags:a", "+bitexact"];
  const after = [
    ...["-map", "0:v:0", "-vf", `${toYuv},format=yuv420p`, "-c:v", "libx264", ...quality],
    ...["-threads", "1", "-flags:v", "+bitexact", ...colours],
    ...(parts.audio === undefined ? [] : sound),
    ...["-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact"],
    ...["-movflags", "+faststart", "-f", "mp4"],
  ];
  await encode(clip, options, { ...parts, after });
}

async function encode(
  clip: Clip,
  { path, rate, signal }: EncodeOptions,
  parts: Mp4Parts & { readonly after: readonly string[] },
): Promise<void> {
  const program = await requireProgram("ffmpeg");
  const pictures: ProgramInput = {
    source: Readable.from(framesOf(clip), { objectMode: false }),
    options: [
      ...["-hide_banner", "-nostdin", "-v", "error", "-nostats", "-y"],
      ...[
        "-f",
        "rawvideo",
        "-pixel_format",
        "rgb24",
        "-video_size",
        `${clip.width}x${clip.height}`,
      ],
      ...["-framerate", `${rate.numerator}/${rate.denominator}`],
    ],
  };
  const inputs = parts.audio === undefined ? [pictures] : [pictures, parts.audio];
  const end = await runFfmpeg(
    program.path,
    { inputs, options: parts.after, output: `file:${parts.temporary}` },
    { subject: `writing ${path}`, timeLimitMs: limits.encodeTimeMaxMs, signal },
  );
  if (end.exit !== null) throw encodeError(path, end);
}

/** The sound as an input of ffmpeg; its file is a stranger's and opened like one. */
async function soundOf(
  from: AudioSource | undefined,
  signal: AbortSignal | undefined,
): Promise<{ readonly state: EncodedVideo["sound"]; readonly audio?: ProgramInput }> {
  if (from === undefined) return { state: "none" };
  try {
    const { hasAudio } = await probeVideo(from.path, { signal });
    if (!hasAudio) return { state: "none" };
    const file = await inputFile(from.path);
    const cut = ["-ss", from.startS.toFixed(6), "-t", from.durationS.toFixed(6)];
    const options = ["-vn", "-sn", "-dn", ...hardenedOptions(), ...cut];
    return { state: "kept", audio: { source: file.address, options } };
  } catch (thrown) {
    if (thrown instanceof RetakeError && thrown.reason !== "stopped") {
      return { state: "unreadable" };
    }
    throw thrown;
  }
}

function* framesOf(clip: Clip): Generator<Uint8Array> {
  for (let frame = 0; frame < clip.frames; frame++) yield frameOf(clip, frame);
}

function assertEncodable(clip: Clip, rate: Rate): void {
  assertClipSize(clip);
  if (!isRate(rate)) {
    const got = `${rate.numerator}/${rate.denominator}`;
    const message = `rate: expected frames per second above 0 and at most ${limits.rateMax}, got ${got}`;
    throw new RetakeError(Code.InvalidArgument, "bad-option", message);
  }
  const bytes = clip.frames * clip.height * clip.width * 3;
  if (clip.frames > 0 && clip.pixels.length === bytes) return;
  const message = `clip: expected ${bytes} bytes for its axes, got ${clip.pixels.length}`;
  throw new RetakeError(Code.InvalidArgument, "bad-option", message);
}

function encodeError(path: string, { exit, complaints }: ProgramEnd): RetakeError {
  if (/Unknown encoder '(\w+)'/.test(complaints)) {
    const message = `${path}: expected an ffmpeg that writes h264 (libx264), got one that does not`;
    const advice = "install one that does (Debian, Ubuntu: apt-get install ffmpeg)";
    return new RetakeError(Code.FailedPrecondition, "ffmpeg-missing", `${message}; ${advice}`);
  }
  const last = complaints.split("\n").at(-1) ?? "";
  const known = outputError(new Error(complaints), path);
  if (known.reason === "disk-full" || known.reason === "output-not-writable") return known;
  const message = `writing ${path}: expected ffmpeg to end well, got ${exit}: ${last}; try again`;
  return new RetakeError(Code.Internal, "ffmpeg-failed", message);
}
