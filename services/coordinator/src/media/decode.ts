import { Code, RetakeError } from "@retake/errors";
import type { Clip } from "./clip.js";
import { assertClipSize, type Size } from "./clip-size.js";
import {
  assertFrameChoice,
  type Fit,
  type FrameChoice,
  filterChain,
  tooFewFrames,
} from "./frame-choice.js";
import { hardenedOptions, inputFile } from "./input-file.js";
import { limits } from "./limits.js";
import { frameTimeS, probeVideo, refusal } from "./probe.js";
import type { VideoInfo } from "./probe-output.js";
import { passthroughOptions, requireProgram } from "./programs.js";
import { framesPerSecond, type Rate, strided } from "./rate.js";
import { type ProgramEnd, runFfmpeg } from "./run-program.js";

export interface DecodeOptions extends FrameChoice, Size {
  readonly fit: Fit;
  readonly signal?: AbortSignal | undefined;
  /** For each run of ffmpeg or ffprobe; a video that takes longer is refused. */
  readonly timeLimitMs?: number | undefined;
}

export interface DecodedClip extends Clip {
  readonly source: VideoInfo;
  /** The source's rate over the stride: the rate at which the clip plays as fast as the source. */
  readonly rate: Rate;
  /** What the clip covers of the source: where its sound is cut. */
  readonly startS: number;
  readonly durationS: number;
  /** What ffmpeg complained of while decoding; null for a file without damage. */
  readonly damage: string | null;
}

/**
 * The frames of a clip: the one at `start`, then every `stride`-th, in the order in which they are
 * shown, `frames` in all. Rotation is applied; frames of a variable rate come as they are stored,
 * none doubled and none dropped. Decoding ends with the last frame that is needed.
 *
 * @throws RetakeError too-few-frames, frame-size, bad-option, memory-short, video-truncated, and
 *   what `probeVideo` throws
 * @source Tune-A-Video's `TuneAVideoDataset`; its resizing is `fit: "stretch"`, bicubic
 */
export async function decodeClip(path: string, options: DecodeOptions): Promise<DecodedClip> {
  assertFrameChoice(options);
  assertClipSize(options);
  assertClipBytes(options);
  const source = await probeVideo(path, options);
  const pixels = allocated(options);
  let filled = 0;
  const end = await decode(path, source, {
    ...options,
    filters: filterChain(source, options, options),
    onOutput: (bytes) => {
      const taken = bytes.subarray(0, pixels.length - filled);
      pixels.set(taken, filled);
      filled += taken.length;
      return taken.length === bytes.length;
    },
  });
  if (filled < pixels.length) throw await shortfall(path, source, options, end);
  const rate = strided(source.rate, options.stride);
  return {
    pixels,
    frames: options.frames,
    height: options.height,
    width: options.width,
    source,
    rate,
    startS: await startSeconds(path, source, options),
    durationS: options.frames / framesPerSecond(rate),
    damage: end.complaints === "" ? null : end.complaints,
  };
}

/** The moment of the first frame, where the source's sound is cut. */
async function startSeconds(
  path: string,
  source: VideoInfo,
  { start, signal, timeLimitMs }: DecodeOptions,
): Promise<number> {
  if ("seconds" in start) return start.seconds;
  const steady = start.frame / framesPerSecond(source.rate);
  if (!source.rateVaries || !source.hasAudio) return steady;
  return (await frameTimeS(path, source, { frame: start.frame, signal, timeLimitMs })) ?? steady;
}

type Decoding = Pick<DecodeOptions, "start" | "frames" | "signal" | "timeLimitMs"> & {
  readonly filters: string;
  readonly onOutput: (bytes: Uint8Array) => boolean;
};

async function decode(path: string, source: VideoInfo, options: Decoding): Promise<ProgramEnd> {
  const file = await inputFile(path);
  const program = await requireProgram("ffmpeg");
  const timeLimitMs = options.timeLimitMs ?? limits.decodeTimeMaxMs;
  const { start } = options;
  const asStored = passthroughOptions(program.libavformat);
  const before = [
    ...["-hide_banner", "-nostdin", "-v", "error", "-nostats"],
    ...["-max_alloc", String(limits.allocationBytesMax)],
    ...["-timelimit", String(Math.ceil(timeLimitMs / 1000))],
    // One thread: what a damaged file decodes to must not depend on timing.
    ...["-threads", "1", "-max_pixels", String(limits.sourcePixelsMax)],
    ...hardenedOptions(),
    ...("seconds" in start ? ["-ss", String(start.seconds)] : []),
  ];
  const after = [
    ...["-map", `0:${source.streamIndex}`, "-vf", options.filters, ...asStored],
    ...["-frames:v", String(options.frames), "-pix_fmt", "rgb24", "-f", "rawvideo"],
  ];
  const inputs = [{ source: file.address, options: before }];
  return await runFfmpeg(
    program.path,
    { inputs, options: after, output: "pipe:1" },
    {
      subject: `decoding ${path}`,
      timeLimitMs,
      signal: options.signal,
      onOutput: options.onOutput,
    },
  );
}

/** Why fewer frames came than were asked for. Counts what there is, at a thumbnail's cost. */
async function shortfall(
  path: string,
  source: VideoInfo,
  options: DecodeOptions,
  end: ProgramEnd,
): Promise<RetakeError> {
  let bytes = 0;
  await decode(path, source, {
    ...options,
    frames: limits.countedFramesMax,
    filters: "scale=8:8:flags=neighbor,format=rgb24",
    onOutput: (chunk) => {
      bytes += chunk.length;
      return true;
    },
  });
  const available = Math.floor(bytes / (8 * 8 * 3));
  if (available === 0 && "frame" in options.start)
    return await refusal({ path, complaints: end.complaints });
  const declared = source.framesDeclared ?? source.frames;
  const cut = end.complaints !== "" && "frame" in options.start && available < declared;
  if (!cut) return tooFewFrames(path, options, available);
  const got = `${available} of the ${declared} frames that its header names`;
  const message = `${path}: expected a complete video, got ${got}; copy or download it again`;
  return new RetakeError(Code.InvalidArgument, "video-truncated", message);
}

function assertClipBytes({ frames, height, width }: FrameChoice & Size): void {
  const bytes = frames * height * width * 3;
  if (bytes <= limits.clipBytesMax) return;
  const fits = Math.floor(limits.clipBytesMax / (height * width * 3));
  const expected = `a clip of at most ${limits.clipBytesMax} bytes`;
  const message = `frames: expected ${expected}, got ${bytes}; ${fits} frames of this size fit`;
  throw new RetakeError(Code.ResourceExhausted, "memory-short", message);
}

function allocated({ frames, height, width }: FrameChoice & Size): Uint8Array {
  const bytes = frames * height * width * 3;
  try {
    return new Uint8Array(bytes);
  } catch (cause) {
    const message = `frames: expected ${bytes} bytes of memory, got none; ask for fewer or smaller`;
    throw new RetakeError(Code.ResourceExhausted, "memory-short", message, { cause });
  }
}
