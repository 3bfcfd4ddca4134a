import { join } from "node:path";
import { type DecodedClip, encodeSideBySide, encodeVideo, writePoster } from "@retake/coordinator";
import { saveDelta } from "@retake/gpu-node";
import type { EditedClip } from "./sample-phase.js";
import type { Session } from "./session.js";
import type { TunedNetwork } from "./tune-phase.js";

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
): Promise<readonly string[]> {
  const { environment, reporter } = session;
  const { workPath, clip, clipPath, edits } = request;
  const { signal } = environment;
  const audioFrom = { path: clipPath, startS: clip.startS, durationS: clip.durationS };
  const shared = { rate: clip.rate, audioFrom, signal };
  return reporter.phase("write", async () => {
    const names: string[] = [];
    for (const [index, edit] of edits.entries()) {
      const name = editFileName(edit.prompt, index);
      const { sound } = await encodeVideo(edit.clip, { ...shared, path: join(workPath, name) });
      if (sound === "unreadable" && index === 0) {
        reporter.warn(`${clipPath}: its sound cannot be read; the edits are silent`);
      }
      names.push(name);
    }
    const tiles = [
      { clip, label: request.sourceLabel },
      ...edits.map(({ clip: edited, prompt }) => ({ clip: edited, label: prompt })),
    ];
    const sideBySide = join(workPath, "side-by-side.mp4");
    await encodeSideBySide(tiles, { ...shared, path: sideBySide });
    const first = edits[0]?.clip;
    if (first !== undefined) {
      const frame = Math.floor(first.frames / 2);
      await writePoster(first, { path: join(workPath, "poster.png"), frame, signal });
    }
    return names;
  });
}

/** Writes what was tuned. */
export async function writeDeltaFile(workPath: string, network: TunedNetwork): Promise<void> {
  await saveDelta(join(workPath, "delta.safetensors"), network.delta);
}
