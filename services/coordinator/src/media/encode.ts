import { RetakeError } from "@retake/errors";
import { writeAtomically } from "./atomic-file.js";
import { type Clip, frameOf } from "./clip.js";
import { assertEncoded, assertPictures, encodeFrames, type Pictures } from "./encode-frames.js";
import { hardenedOptions, inputFile } from "./input-file.js";
import { probeVideo } from "./probe.js";
import type { Rate } from "./rate.js";
import type { ProgramInput } from "./run-program.js";

/** A stretch of another file's sound. */
export interface AudioSource {
  readonly path: string;
  readonly startS: number;
  readonly durationS: number;
}

export interface Sounding {
  readonly audioFrom?: AudioSource | undefined;
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
const toYuv = [
  "scale=in_range=pc:out_range=tv:out_color_matrix=bt709",
  "flags=bicubic+accurate_rnd+full_chroma_int,format=yuv420p",
].join(":");
const bitexact = ["-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact"];

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
  options: EncodeOptions & Sounding,
): Promise<EncodedVideo> {
  return await encodeMp4(picturesOf(clip), options);
}

/** The same for pictures that are made one by one. */
export async function encodeMp4(
  pictures: Pictures,
  options: EncodeOptions & Sounding,
): Promise<EncodedVideo> {
  assertPictures(pictures, options.rate);
  return await writeAtomically(options.path, async (temporary) => {
    const sound = await soundOf(options);
    const write = async (audio?: ProgramInput): Promise<boolean> => {
      const after = audio === undefined ? mp4Options : [...mp4Options, ...soundOptions];
      await encodeFrames(pictures, options, { temporary, audio, after });
      return await assertEncoded(pictures, options, temporary);
    };
    try {
      const sounds = await write(sound.audio);
      return { sound: sounds || sound.state !== "kept" ? sound.state : "none" };
    } catch (thrown) {
      const own = !(thrown instanceof RetakeError) || thrown.reason !== "ffmpeg-failed";
      if (own || sound.audio === undefined) throw thrown;
      await write();
      return { sound: "unreadable" };
    }
  });
}

/**
 * Writes the clip as an endless GIF with its own palette of 256 colours.
 *
 * @throws RetakeError  as `encodeVideo`
 */
export async function encodeGif(clip: Clip, options: EncodeOptions): Promise<void> {
  const pictures = picturesOf(clip);
  assertPictures(pictures, options.rate);
  await writeAtomically(options.path, async (temporary) => {
    await encodeFrames(pictures, options, { temporary, after: gifOptions });
  });
}

const mp4Options = [
  ...["-map", "0:v:0", "-vf", toYuv, "-c:v", "libx264", ...quality, "-threads", "1"],
  ...["-flags:v", "+bitexact", ...colours, ...bitexact, "-movflags", "+faststart", "-f", "mp4"],
];
const soundOptions = ["-map", "1:a:0", "-c:a", "aac", "-b:a", "160k", "-flags:a", "+bitexact"];
const gifOptions = [
  "-filter_complex",
  "split[a][b];[a]palettegen=stats_mode=full[p];[b][p]paletteuse=dither=bayer:bayer_scale=3",
  ...["-loop", "0", ...bitexact, "-f", "gif"],
];

/** The sound as an input of ffmpeg; its file is a stranger's and opened like one. */
async function soundOf(
  options: EncodeOptions & Sounding,
): Promise<{ readonly state: EncodedVideo["sound"]; readonly audio?: ProgramInput }> {
  const { audioFrom: from, signal } = options;
  if (from === undefined) return { state: "none" };
  try {
    const { hasAudio } = await probeVideo(from.path, { signal });
    if (!hasAudio) return { state: "none" };
    const file = await inputFile(from.path);
    const cut = ["-ss", from.startS.toFixed(6), "-t", from.durationS.toFixed(6)];
    const before = ["-vn", "-sn", "-dn", ...hardenedOptions(), ...cut];
    return { state: "kept", audio: { source: file.address, options: before } };
  } catch (thrown) {
    if (thrown instanceof RetakeError && thrown.reason !== "stopped") {
      return { state: "unreadable" };
    }
    throw thrown;
  }
}

function picturesOf(clip: Clip): Pictures {
  return { ...clip, frameAt: (frame) => frameOf(clip, frame) };
}
