import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { decodeClip } from "@retake/coordinator";
import { type Manifest, manifestName } from "@retake/coordinator/result";
import { gridSide } from "../world/canvas.js";
import type { Classifier } from "./classifier.js";
import { clipsOfFolder } from "./judged-clips.js";
import { type Score, scoreOf } from "./score.js";

/** An edit of a result's folder, and its figures. */
export interface JudgedFile {
  readonly prompt: string;
  readonly score: Score;
}

/**
 * Judges the edits in a folder that `retake edit` or `retake demo` wrote, where its clip lies
 * beside a `tracks.json`: prompts of which the clip's entry says nothing are left out.
 *
 * @throws Error  if the folder holds no result, or one of a clip whose truth is not known
 */
export async function judgeResult(
  folder: string,
  classifier: Classifier,
): Promise<readonly JudgedFile[]> {
  const path = join(folder, manifestName);
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new Error(`${path}: expected a result, got no such file; edit a clip first`, { cause });
  });
  const manifest: Manifest = JSON.parse(text);
  const file = basename(manifest.clip.path);
  const clips = await clipsOfFolder(dirname(manifest.clip.path));
  const clip = clips.find(({ id }) => id === file);
  if (clip === undefined) throw new Error(`${file}: expected an entry in tracks.json, got none`);
  const names = await readdir(folder);
  const judged: JudgedFile[] = [];
  for (const [index, prompt] of manifest.prompts.entries()) {
    const edit = clip.edits.find((each) => each.prompt === prompt);
    if (edit === undefined) continue;
    const name = names.find((one) => one.startsWith(`${index + 1}-`) && one.endsWith(".mp4"));
    if (name === undefined) throw new Error(`${folder}: expected the video of "${prompt}"`);
    const frames = await decodeClip(join(folder, name), {
      ...{ frames: clip.frames.frames, height: gridSide, width: gridSide, fit: "stretch" },
      ...{ stride: 1, start: { frame: 0 } },
    });
    judged.push({ prompt, score: await scoreOf(frames, { clip, edit, classifier }) });
  }
  return judged;
}
