import { readFile, writeFile } from "node:fs/promises";
import {
  clipHash,
  type DecodedClip,
  decodeClip,
  findPrograms,
  fitSize,
  probeVideo,
  type Size,
  writeAtomically,
} from "@retake/coordinator";
import { fileDigest } from "@retake/coordinator/result";
import type { ChosenSettings } from "@retake/coordinator/settings";
import { clipSizeOf, clipStartOf } from "@retake/coordinator/settings";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import { artifact } from "../cache/artifact-store.js";
import type { Session } from "./session.js";

/** The clip of a run, and where it came from. */
export interface SourceClip {
  readonly clip: DecodedClip;
  /** Names the clip by its pixels. */
  readonly hash: string;
  /** Of the video file. */
  readonly fileSha256: string;
}

type ClipSession = Pick<Session, "environment" | "reporter" | "store">;

/**
 * The size that a clip will have: as chosen, else as large as the pictures that the model was made
 * for, in the shape of the source.
 *
 * @throws RetakeError  `frame-size`, and what `probeVideo` throws
 */
export async function chosenSize(
  path: string,
  choice: {
    readonly size: string | undefined;
    readonly pictureSide: number;
    readonly signal: AbortSignal;
  },
): Promise<Size> {
  const { size, pictureSide, signal } = choice;
  if (size !== undefined) return clipSizeOf(size);
  return fitSize(await probeVideo(path, { signal }), pictureSide ** 2);
}

/** Decodes the clip, or takes it from the cache. */
export async function clipPhase(
  session: ClipSession,
  path: string,
  choice: { readonly settings: ChosenSettings; readonly size: Size },
): Promise<SourceClip> {
  const { environment, reporter, store } = session;
  const { signal } = environment;
  const { settings, size } = choice;
  return reporter.phase("decode", async (phase) => {
    const { sha256 } = await fileDigest(path, signal);
    const { frames, stride, fit } = settings;
    const options = { start: clipStartOf(settings.start), stride, frames, fit, ...size };
    const { value: clip, reused } = await artifact(store, {
      kind: "clip",
      key: { file: sha256, ...options, ffmpeg: await ffmpegVersion() },
      make: () => decodeClip(path, { ...options, signal }),
      read: readClip,
      write: writeClip,
    });
    if (reused) phase.reuse();
    if (clip.damage !== null) {
      reporter.warn(`${path}: the file is damaged (${clip.damage.split("\n")[0]})`);
    }
    return { clip, hash: clipHash(clip), fileSha256: sha256 };
  });
}

async function ffmpegVersion(): Promise<string> {
  const { ffmpeg } = await findPrograms();
  if (ffmpeg.found) return ffmpeg.version;
  throw new RetakeError(Code.FailedPrecondition, "ffmpeg-missing", ffmpeg.reason);
}

/** Pixels as they are; what is known of them follows as JSON, then its length in four bytes. */
async function writeClip(path: string, { pixels, ...about }: DecodedClip): Promise<void> {
  const text = Buffer.from(JSON.stringify(about));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  await writeAtomically(path, (temporary) =>
    writeFile(temporary, Buffer.concat([pixels, text, length])),
  );
}

async function readClip(path: string): Promise<DecodedClip> {
  try {
    const bytes = await readFile(path);
    const textBegin = bytes.length - 4 - bytes.readUInt32LE(bytes.length - 4);
    const about = JSON.parse(bytes.toString("utf8", textBegin, bytes.length - 4)) as Omit<
      DecodedClip,
      "pixels"
    >;
    return { ...about, pixels: new Uint8Array(bytes.subarray(0, textBegin)) };
  } catch (thrown) {
    throw fromUnknown(thrown, `reading ${path}`);
  }
}
