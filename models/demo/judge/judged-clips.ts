import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeClip } from "@retake/coordinator";
import type { ClipPixels } from "@retake/gpu-node";
import { gridSide } from "../world/canvas.js";
import { clip } from "../world/clip.js";
import { type EditCase, type EditKind, editKinds } from "../world/edits.js";
import { bytesOf } from "../world/picture-sheet.js";
import { spriteSide } from "../world/sprites.js";
import { type Content, captionOf, contentOf } from "../world/vocabulary.js";
import type { Place } from "./template-match.js";

/** A clip to be edited, with all that is known of it. */
export interface JudgedClip {
  /** Names it in the results. */
  readonly id: string;
  /** Clips whose figures belong together: `held-out`, `unseen`, `given`. */
  readonly set: string;
  readonly caption: string;
  readonly content: Content;
  readonly frames: ClipPixels;
  readonly track: readonly Place[];
  readonly groundY: number;
  readonly edits: readonly JudgedEdit[];
}

export interface JudgedEdit {
  readonly kind: EditKind;
  readonly prompt: string;
  readonly content: Content;
  /** What the edit should give, where it is known. */
  readonly truth: ClipPixels | undefined;
}

/** A clip of the world at the size of the model, without a video in between. */
export function clipOfCase(set: string, { key, content, edits }: EditCase): JudgedClip {
  const source = clip(key, { content });
  return {
    id: `${set}-${key.seed}-${key.index}`,
    ...{ set, content, caption: source.caption, frames: bytesOfFrames(source.frames) },
    ...{ track: source.path.positions, groundY: source.path.groundY },
    edits: edits.map((edit) => ({
      ...{ kind: edit.kind, content: edit.content, prompt: captionOf(edit.content) },
      truth: bytesOfFrames(clip(key, { content: edit.content }).frames),
    })),
  };
}

function bytesOfFrames(frames: readonly Float32Array[]): ClipPixels {
  const pixels = new Uint8Array(frames.length * gridSide * gridSide * 3);
  for (const [index, frame] of frames.entries()) {
    pixels.set(bytesOf(frame), index * gridSide * gridSide * 3);
  }
  return { pixels, frames: frames.length, height: gridSide, width: gridSide };
}

/** What `tracks.json` says of a clip. */
interface TrackEntry {
  readonly file: string;
  readonly caption: string;
  readonly frames: number;
  readonly sprite_px: number;
  readonly track: readonly (readonly [number, number])[];
  readonly ground_y: number;
  readonly edits: readonly {
    readonly kind: string;
    readonly prompt: string;
    readonly subject: string;
    readonly truth?: string;
  }[];
}

/** How edits are named in `tracks.json`. */
const kindNames: Readonly<Record<string, EditKind>> = {
  ...{ subj: "subject", bg: "place", col: "colour" },
  ...Object.fromEntries(editKinds.map((kind) => [kind, kind])),
};

/**
 * Clips of a folder: videos and `tracks.json`, as `demo-model:world` writes them. The truth of a
 * subject swap may also be a video called `NAME__truth_SUBJECT.mp4`.
 *
 * @throws Error  if an entry says what the world has no words for
 */
export async function clipsOfFolder(folder: string): Promise<readonly JudgedClip[]> {
  const entries: readonly TrackEntry[] = JSON.parse(
    await readFile(join(folder, "tracks.json"), "utf8"),
  );
  return await Promise.all(entries.map((entry) => clipOfEntry(folder, entry)));
}

async function clipOfEntry(folder: string, entry: TrackEntry): Promise<JudgedClip> {
  const { file, caption, frames, track, ground_y: groundY } = entry;
  if (entry.sprite_px !== spriteSide) {
    throw new Error(`${file}: expected sprites of ${spriteSide} px, got ${entry.sprite_px}`);
  }
  const decode = (name: string): Promise<ClipPixels> =>
    decodeClip(join(folder, name), {
      ...{ frames, height: gridSide, width: gridSide, fit: "stretch", stride: 1 },
      start: { frame: 0 },
    });
  const edits = entry.edits.map(async (edit): Promise<JudgedEdit> => {
    const kind = kindNames[edit.kind];
    if (kind === undefined) throw new Error(`${file}: expected a kind of edit, got ${edit.kind}`);
    const guess = `${file.replace(/\.mp4$/, "")}__truth_${edit.subject}.mp4`;
    const hasGuess = kind === "subject" && existsSync(join(folder, guess));
    const name = edit.truth ?? (hasGuess ? guess : undefined);
    const truth = name === undefined ? undefined : await decode(name);
    return { kind, prompt: edit.prompt, content: contentIn(edit.prompt, file), truth };
  });
  return {
    ...{ id: file, set: "given", caption, content: contentIn(caption, file), groundY },
    ...{ frames: await decode(file), track: track.map(([x, y]) => ({ x, y })) },
    edits: await Promise.all(edits),
  };
}

function contentIn(sentence: string, file: string): Content {
  const content = contentOf(sentence);
  if (content !== undefined) return content;
  throw new Error(`${file}: expected a sentence of the world, got "${sentence}"`);
}
