import { join } from "node:path";
import { type DecodedClip, encodeSideBySide, encodeVideo, writePoster } from "@retake/coordinator";
import type { EditedClip } from "./sample-phase.js";
import type { Session } from "./session.js";

const slugCharactersMax = 48;

/** `1-a-horse-is-running.mp4`: the number keeps them apart, the words say which is which. */
export function editFileName(prompt: string, index: number): string {
  const words = prompt
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, slugCharactersMax)
    .replace(/^-+|-+$/g, "");
  return words === "" ? `${index + 1}.mp4` : `${index + 1}-${words}.mp4`;
}

/** Writes the edits of a run, the picture that shows them, and source and edits side by side. */
export async function writeEdits(
  session: Pick<Session, "environment" | "reporter">,
  request: {
    readonly workPath: string;
    readonly clip: DecodedClip;
    readonly clipPath: string;
    readonly sourceLabel: string;
    readonly edits: readonly EditedClip[];
  },
): Promise<void> {
  const { environment, reporter } = session;
  const { workPath, clip, clipPath, edits } = request;
  const { signal } = environment;
  const audioFrom = { path: clipPath, startS: clip.startS, durationS: clip.durationS };
  const shared = { rate: clip.rate, audioFrom, signal };
  const tiles = [
    { clip, label: request.sourceLabel },
    ...edits.map(({ clip: edited, prompt }) => ({ clip: edited, label: prompt })),
  ];
  await reporter.phase("write", async () => {
    const videos = edits.map(({ clip: edited, prompt }, index) =>
      encodeVideo(edited, { ...shared, path: join(workPath, editFileName(prompt, index)) }),
    );
    const path = join(workPath, "side-by-side.mp4");
    const written = await allOf([...videos, encodeSideBySide(tiles, { ...shared, path })]);
    if (written.some(({ sound }) => sound === "unreadable")) {
      reporter.warn(`${clipPath}: its sound cannot be read; the edits are silent`);
    }
    const first = edits[0]?.clip;
    if (first === undefined) return;
    const frame = Math.floor(first.frames / 2);
    await writePoster(first, { path: join(workPath, "poster.png"), frame, signal });
  });
}

/** Waits for all, also when one fails: none may go on writing when the folder is removed. */
async function allOf<Value>(works: readonly Promise<Value>[]): Promise<readonly Value[]> {
  const ended = await Promise.allSettled(works);
  return ended.map((end) => {
    if (end.status === "rejected") throw end.reason;
    return end.value;
  });
}
