import type { ClipPixels } from "@retake/gpu-node";
import { gridSide } from "../world/canvas.js";
import { spriteSide } from "../world/sprites.js";
import type { Classifier } from "./classifier.js";
import type { JudgedClip, JudgedEdit } from "./judged-clips.js";
import { median } from "./statistics.js";
import { foundPlace, type Place } from "./template-match.js";
import { answerOf } from "./train-classifier.js";

/** The figures of one edit. */
export interface Score {
  /** Shares of frames that show what was asked for. */
  readonly subject: number;
  readonly place: number;
  readonly colour: number;
  /** Of 64: the median over frames of the distance from the track. */
  readonly motionPixels: number;
  /** Outside the subject, against the source; where the place was to change, none. */
  readonly backgroundDb: number | null;
  /** Of all pixels against the rendered truth, where there is one. */
  readonly truthDb: number | null;
  /** Of 255: how much a pixel outside the subject changes from frame to frame. */
  readonly flicker: number;
}

/** Judges the frames of an edit. */
export async function scoreOf(
  frames: ClipPixels,
  judged: {
    readonly clip: JudgedClip;
    readonly edit: JudgedEdit;
    readonly classifier: Classifier;
  },
): Promise<Score> {
  const { clip, edit, classifier } = judged;
  const pictures = picturesOf(frames);
  const verdicts = await classifier.verdicts(pictures);
  const share = (question: "subject" | "place" | "colour"): number =>
    verdicts.filter((verdict) => verdict[question] === answerOf(edit.content, question)).length /
    verdicts.length;
  const distances = pictures.map((picture, index) => {
    const found = foundPlace(picture, edit.content);
    const { x, y } = clip.track[index] ?? found;
    return Math.sqrt((found.x - x) ** 2 + (found.y - y) ** 2);
  });
  const outside = outsideSubject(clip);
  const everywhere = outside.map((mask) => mask.map(() => 1));
  return {
    ...{ subject: share("subject"), place: share("place"), colour: share("colour") },
    motionPixels: median(distances),
    backgroundDb: edit.kind === "place" ? null : psnr(frames, clip.frames, outside),
    truthDb: edit.truth === undefined ? null : psnr(frames, edit.truth, everywhere),
    flicker: flickerOf(frames, outside),
  };
}

/** Frames as pictures: `[64, 64, 3]` each, float32, 0...1. */
export function picturesOf({ pixels, frames }: ClipPixels): readonly Float32Array[] {
  const size = gridSide * gridSide * 3;
  return Array.from({ length: frames }, (_, frame) =>
    Float32Array.from(pixels.subarray(frame * size, (frame + 1) * size), (byte) => byte / 255),
  );
}

/** Cells by which the box of a subject is widened: what is edited may blur over its edge. */
const marginCells = 2;

/** For each frame `[64, 64]`: 1 where neither the subject's box nor its shadow is. */
function outsideSubject({ track, groundY }: JudgedClip): readonly Uint8Array[] {
  const half = spriteSide / 2 + marginCells;
  return track.map(({ x, y }: Place) =>
    Uint8Array.from({ length: gridSide * gridSide }, (_, at) => {
      const [column, row] = [at % gridSide, Math.floor(at / gridSide)];
      const isNear = Math.abs(column + 0.5 - x) < half;
      const inBox = row >= y - spriteSide - marginCells && row < y + marginCells;
      const inShadow = Math.abs(row + 0.5 - groundY) < 2 + marginCells;
      return isNear && (inBox || inShadow) ? 0 : 1;
    }),
  );
}

/** The peak signal-to-noise ratio of the marked pixels, in dB; at most 99. */
function psnr(a: ClipPixels, b: ClipPixels, marks: readonly Uint8Array[]): number {
  let sum = 0;
  let count = 0;
  for (const [frame, mask] of marks.entries()) {
    for (const [at, mark] of mask.entries()) {
      if (mark === 0) continue;
      for (let channel = 0; channel < 3; channel += 1) {
        const place = (frame * mask.length + at) * 3 + channel;
        sum += ((a.pixels[place] ?? 0) - (b.pixels[place] ?? 0)) ** 2;
        count += 1;
      }
    }
  }
  return Math.min(99, 10 * Math.log10((255 * 255 * count) / Math.max(sum, 1e-9)));
}

function flickerOf({ pixels }: ClipPixels, marks: readonly Uint8Array[]): number {
  let sum = 0;
  let count = 0;
  for (const [frame, mask] of marks.entries()) {
    const before = marks[frame - 1];
    if (before === undefined) continue;
    for (const [at, mark] of mask.entries()) {
      if (mark === 0 || before[at] === 0) continue;
      for (let channel = 0; channel < 3; channel += 1) {
        const place = (frame * mask.length + at) * 3 + channel;
        sum += Math.abs((pixels[place] ?? 0) - (pixels[place - mask.length * 3] ?? 0));
        count += 1;
      }
    }
  }
  return sum / Math.max(1, count);
}
