import { Code, RetakeError } from "@retake/errors";
import { cutVideo, hardenedOptions, inputFile, looksLike, notAVideo } from "./input-file.js";
import { limits } from "./limits.js";
import { parseProbe, type VideoInfo } from "./probe-output.js";
import { requireProgram } from "./programs.js";
import { runPlain } from "./run-program.js";

interface Bounds {
  readonly signal?: AbortSignal | undefined;
  readonly timeLimitMs?: number | undefined;
}

/** What is asked of ffprobe, and nothing else: tags of a stranger's file stay out of our memory. */
const entries = [
  "stream=index,codec_type,codec_name,width,height,sample_aspect_ratio,avg_frame_rate,r_frame_rate",
  ",start_time,duration,nb_frames,nb_read_packets:stream_tags=rotate:stream_side_data=rotation",
  ":stream_disposition=attached_pic:format=format_name,duration,start_time",
].join("");

/**
 * What a video file holds. Reads headers and, for files up to `limits.countedFileBytesMax`, counts
 * the frames; nothing outside the file is opened or contacted, whatever it says.
 *
 * @throws RetakeError not-a-video, video-truncated, frame-size, file-not-found, file-unreadable,
 *   ffmpeg-missing, ffmpeg-failed (time limit) or stopped
 */
export async function probeVideo(path: string, options: Bounds = {}): Promise<VideoInfo> {
  const { bytes } = await inputFile(path);
  const counts = bytes <= limits.countedFileBytesMax;
  const { printed, complaints } = await probe(path, options, [
    ...(counts ? ["-count_packets"] : []),
    ...["-print_format", "json", "-show_entries", entries],
  ]);
  const info = parseProbe({ path, json: printed });
  const readable = info !== null && info.width > 0 && info.height > 0;
  if (!readable) throw await refusal({ path, complaints });
  assertFrameSize(path, info);
  return info;
}

/**
 * When the frame is shown, in seconds from the start of the file; undefined when its packets carry
 * no times. Needed only where the rate varies: elsewhere a frame's number says it.
 */
export async function frameTimeS(
  path: string,
  source: VideoInfo,
  options: Bounds & { readonly frame: number },
): Promise<number | undefined> {
  const { printed } = await probe(path, options, [
    ...["-select_streams", String(source.streamIndex)],
    ...["-print_format", "csv=print_section=0", "-show_entries", "packet=pts_time"],
  ]);
  const times = printed.split("\n").map((line) => Number.parseFloat(line));
  const shown = times.filter(Number.isFinite).sort((one, other) => one - other);
  const time = shown[options.frame];
  return time === undefined ? undefined : Math.max(0, time - source.startTimeS);
}

async function probe(
  path: string,
  options: Bounds,
  questions: readonly string[],
): Promise<{ readonly printed: string; readonly complaints: string }> {
  const file = await inputFile(path);
  const program = await requireProgram("ffprobe");
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const args = [
    ...["-v", "error", "-hide_banner", "-max_alloc", String(limits.allocationBytesMax)],
    ...["-threads", "1", ...hardenedOptions(), ...questions, "-i", file.address],
  ];
  const end = await runPlain(program.path, args, {
    subject: `reading ${path}`,
    timeLimitMs: options.timeLimitMs ?? limits.probeTimeMaxMs,
    signal: options.signal,
    onOutput: (chunk) => {
      chunks.push(chunk);
      bytes += chunk.length;
      return bytes <= limits.probeOutputBytesMax;
    },
  });
  if (end.exit !== null) throw await refusal({ path, complaints: end.complaints });
  return { printed: Buffer.concat(chunks).toString("utf8"), complaints: end.complaints };
}

/** Why ffprobe or ffmpeg could not read the file, in the words of someone who has to fix it. */
export async function refusal(file: {
  readonly path: string;
  readonly complaints: string;
}): Promise<RetakeError> {
  const { path, complaints } = file;
  const size = /Picture size ([1-9]\d*)x([1-9]\d*) (exceeds|is invalid)/.exec(complaints);
  if (size !== null) return frameSizeError(path, Number(size[1]), Number(size[2]));
  const got = await looksLike(path);
  const codecComplaint = /Codec \((\w+)\) not on whitelist/.exec(complaints);
  if (got === cutVideo && codecComplaint === null) {
    const message = `${path}: expected a complete video, got one whose index or frames are damaged`;
    const advice = "it may have been cut: copy or download it again";
    return new RetakeError(Code.InvalidArgument, "video-truncated", `${message}; ${advice}`);
  }
  const codec = codecComplaint?.[1];
  return notAVideo({
    path,
    got: codec === undefined ? got : `the format ${codec}, which is not read here`,
  });
}

function assertFrameSize(path: string, { width, height }: VideoInfo): void {
  const inside = (side: number): boolean =>
    side >= limits.sourceSideMin && side <= limits.sourceSideMax;
  if (inside(width) && inside(height) && width * height <= limits.sourcePixelsMax) return;
  throw frameSizeError(path, width, height);
}

function frameSizeError(path: string, width: number, height: number): RetakeError {
  const { sourceSideMin: min, sourceSideMax: max, sourcePixelsMax } = limits;
  const expected = `frames of ${min} to ${max} pixels a side and ${sourcePixelsMax} in all`;
  const message = `${path}: expected ${expected}, got ${width}x${height}; scale the video first`;
  return new RetakeError(Code.InvalidArgument, "frame-size", message);
}
