import { join } from "node:path";
import type { Clip } from "../media/clip.js";
import type { DecodedClip } from "../media/decode.js";
import { encodeVideo } from "../media/encode.js";
import { writePoster } from "../media/poster.js";
import { encodeSideBySide } from "../media/side-by-side.js";
import { editFileName } from "./edit-file-name.js";

/**
 * Writes the edits of a run, the picture that shows them, and source and edits side by side.
 *
 * @returns  whether the source's sound could not be read: then the edits are silent
 */
export async function writeEdits(request: {
  readonly workPath: string;
  readonly clip: DecodedClip;
  readonly clipPath: string;
  readonly sourceLabel: string;
  readonly edits: readonly { readonly clip: Clip; readonly prompt: string }[];
  readonly signal: AbortSignal;
}): Promise<{ readonly isSilent: boolean }> {
  const { workPath, clip, clipPath, edits, signal } = request;
  const audioFrom = { path: clipPath, startS: clip.startS, durationS: clip.durationS };
  const shared = { rate: clip.rate, audioFrom, signal };
  const tiles = [
    { clip, label: request.sourceLabel },
    ...edits.map(({ clip: edited, prompt }) => ({ clip: edited, label: prompt })),
  ];
  const videos = edits.map(({ clip: edited, prompt }, index) =>
    encodeVideo(edited, { ...shared, path: join(workPath, editFileName(prompt, index)) }),
  );
  const path = join(workPath, "side-by-side.mp4");
  const written = await allOf([...videos, encodeSideBySide(tiles, { ...shared, path })]);
  const first = edits[0]?.clip;
  if (first !== undefined) {
    const frame = Math.floor(first.frames / 2);
    await writePoster(first, { path: join(workPath, "poster.png"), frame, signal });
  }
  return { isSilent: written.some(({ sound }) => sound === "unreadable") };
}

/** Waits for all, also when one fails: none may go on writing when the folder is removed. */
async function allOf<Value>(works: readonly Promise<Value>[]): Promise<readonly Value[]> {
  const ended = await Promise.allSettled(works);
  return ended.map((end) => {
    if (end.status === "rejected") throw end.reason;
    return end.value;
  });
}
