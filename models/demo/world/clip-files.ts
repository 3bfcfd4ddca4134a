import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeVideo } from "@retake/coordinator";
import { gridSide } from "./canvas.js";
import { type Clip, clip } from "./clip.js";
import type { EditCase } from "./edits.js";
import { bytesOf } from "./picture-sheet.js";
import { spriteSide } from "./sprites.js";
import { captionOf } from "./vocabulary.js";

/** Clips are drawn larger than the model sees them, so that a person can see them, too. */
const videoSide = 256;
const framesPerSecond = 8;

/**
 * Writes clips as videos, the truth of every edit beside each, and `tracks.json`, which says what
 * they show, where their subject is in each frame, and how they could be edited.
 */
export async function writeClipFiles(folder: string, cases: readonly EditCase[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  const tracks = [];
  const names = new Set<string>();
  for (const { key, content, unseen, edits } of cases) {
    const source = clip(key, { content, side: videoSide });
    const name = newName([content.subject, content.verb, content.place].join("-"), names);
    await writeVideo(join(folder, `${name}.mp4`), source);
    for (const edit of edits) {
      const truth = clip(key, { content: edit.content, side: videoSide });
      await writeVideo(join(folder, `${name}__truth_${edit.kind}.mp4`), truth);
    }
    tracks.push({
      ...{ file: `${name}.mp4`, caption: source.caption, unseen },
      ...{ frames: source.frames.length, fps: framesPerSecond },
      ...{ model_px: gridSide, mp4_px: videoSide, sprite_px: spriteSide },
      track_note: "bottom centre of the sprite's square box on the 64-px grid, y down",
      track: source.path.positions.map(({ x, y }) => [x, y]),
      ...{ ground_y: source.path.groundY, key },
      edits: edits.map(({ kind, content: shown }) => ({
        ...{ kind, prompt: captionOf(shown), truth: `${name}__truth_${kind}.mp4` },
        ...{ subject: shown.subject, background: shown.place, colour: shown.colour },
      })),
    });
  }
  await writeFile(join(folder, "tracks.json"), `${JSON.stringify(tracks, null, 1)}\n`);
}

/** The name; with a number behind it where there is such a name already. */
function newName(wanted: string, names: Set<string>): string {
  const name = names.has(wanted) ? `${wanted}-${names.size}` : wanted;
  names.add(name);
  return name;
}

async function writeVideo(path: string, { frames, side }: Clip): Promise<void> {
  const pixels = new Uint8Array(frames.length * side * side * 3);
  for (const [index, frame] of frames.entries()) {
    pixels.set(bytesOf(frame), index * side * side * 3);
  }
  const rate = { numerator: framesPerSecond, denominator: 1 };
  await encodeVideo({ pixels, frames: frames.length, height: side, width: side }, { path, rate });
}
