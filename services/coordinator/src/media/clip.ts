import { createHash } from "node:crypto";

/** Frames of a clip as bytes, before they become numbers in -1...1. */
export interface Clip {
  /** RGB, 0...255, `[frames, height, width, 3]`. */
  readonly pixels: Uint8Array;
  readonly frames: number;
  readonly height: number;
  readonly width: number;
}

/** One frame of the clip, `[height, width, 3]`; shares the clip's memory. */
export function frameOf(clip: Clip, frame: number): Uint8Array {
  const bytes = clip.height * clip.width * 3;
  return clip.pixels.subarray(frame * bytes, (frame + 1) * bytes);
}

/** SHA-256, in hexadecimal, of the clip's axes and pixels: the name under which it is cached. */
export function clipHash(clip: Clip): string {
  const axes = `retake clip rgb8 [${clip.frames}, ${clip.height}, ${clip.width}, 3]\n`;
  return createHash("sha256").update(axes).update(clip.pixels).digest("hex");
}
