import { constants, type Stats } from "node:fs";
import { access, open, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import { limits } from "./limits.js";

export interface InputFile {
  /** How ffmpeg is told the file: nothing in a name can be read as an option or a protocol. */
  readonly address: string;
  readonly bytes: number;
}

/** What ffmpeg may open: containers of moving pictures; no playlists, scripts, devices, images. */
const formats = "mov,matroska,avi,gif,mpegts,mpeg,flv,ogg,asf";
const codecs = [
  "h264,hevc,av1,libdav1d,vp8,vp9,libvpx,libvpx-vp9,mpeg1video,mpeg2video,mpeg4,msmpeg4v2,msmpeg4",
  "h263,flv,theora,mjpeg,prores,dnxhd,dvvideo,ffv1,huffyuv,ffvhuff,utvideo,rawvideo,png,gif,wmv1",
  "wmv2,wmv3,vc1,qtrle,cinepak,aac,mp3float,mp3,mp2float,mp2,ac3,eac3,opus,libopus,vorbis,flac",
  "alac,wmav1,wmav2,wmapro,amrnb,amrwb,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_u8",
  "pcm_f32le,pcm_mulaw,pcm_alaw",
].join(",");

/**
 * The fixed options in front of every file that ffmpeg or ffprobe opens. Both lists are needed: the
 * protocols keep it off the network, the formats keep a concat script from opening other files.
 */
export function hardenedOptions(): string[] {
  return [
    ...["-protocol_whitelist", "file,pipe", "-format_whitelist", formats],
    ...["-codec_whitelist", codecs, "-max_streams", String(limits.streamsMax)],
  ];
}

/**
 * Checks that `path` is a regular, readable file with something in it.
 *
 * @throws RetakeError file-not-found, file-unreadable or not-a-video
 */
export async function inputFile(path: string): Promise<InputFile> {
  if (path === "" || path.includes("\0")) {
    throw unreadable(JSON.stringify(path), {
      ...{ expected: "a path without zero bytes", got: "this name" },
    });
  }
  let found: Stats;
  try {
    found = await stat(path);
    if (found.isFile()) await access(path, constants.R_OK);
  } catch (thrown) {
    const { code, reason, message } = fromUnknown(thrown, path);
    const advice = `${message}; expected a video file there, so check the path and who may read it`;
    throw new RetakeError(code, reason === "bug" ? "file-unreadable" : reason, advice);
  }
  if (!found.isFile()) {
    throw unreadable(path, { expected: "a regular file with a video", got: kindOf(found) });
  }
  if (found.size === 0) throw notAVideo({ path, got: "an empty file" });
  return { address: `file:${resolve(path)}`, bytes: found.size };
}

export function notAVideo({ path, got }: { path: string; got: string }): RetakeError {
  const message = `${path}: expected a video (mp4, mov, mkv, webm, avi, gif), got ${got}`;
  const advice = "give a video file, or convert it with ffmpeg first";
  return new RetakeError(Code.InvalidArgument, "not-a-video", `${message}; ${advice}`);
}

/** What `looksLike` says of a file that begins like a video and yet cannot be read. */
export const cutVideo = "a damaged or cut video file";

/** What the first bytes of a refused file look like, in words. */
export async function looksLike(path: string): Promise<string> {
  const head = Buffer.alloc(64);
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    await file.read(head, 0, head.length, 0);
  } finally {
    await file.close();
  }
  const text = head.toString("latin1");
  const signs: readonly (readonly [RegExp, string])[] = [
    [/^\s*#EXTM3U/, "a playlist, which names other files (they were not opened)"],
    [/^\s*(ffconcat|file |#)/, "a concat script or list (what it names was not opened)"],
    [/^v=0/, "an SDP session description (nothing was contacted)"],
    [/^\s*<(\?xml|MPD|!doctype|html)/i, "an XML or HTML document"],
    [/^\x89PNG|^\xff\xd8\xff|^RIFF....WEBP|^BM/s, "a still image"],
    [/^ID3|^fLaC|^RIFF....WAVE/s, "a sound file"],
    [/^....ftyp|^.E\xdf\xa3|^RIFF....AVI |^GIF8/s, cutVideo],
    [/^[\t\n\r\x20-\x7e]+\0*$/, "a text file"],
  ];
  return signs.find(([sign]) => sign.test(text))?.[1] ?? "bytes of no known video format";
}

function kindOf(found: Stats): string {
  if (found.isDirectory()) return "a folder";
  if (found.isFIFO()) return "a named pipe";
  if (found.isSocket()) return "a socket";
  return "a device";
}

function unreadable(
  path: string,
  { expected, got }: Record<"expected" | "got", string>,
): RetakeError {
  const message = `${path}: expected ${expected}, got ${got}; give the path of a video file`;
  return new RetakeError(Code.InvalidArgument, "file-unreadable", message);
}
