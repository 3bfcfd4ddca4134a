/**
 * `npm run demo-model:world -- --out DIR`: pictures of the world to look at, and clips to edit in
 * the format that the judge reads. With `--demo`, the clips that come along with the checkpoint.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gridSide } from "./canvas.js";
import { type Clip, clip } from "./clip.js";
import { writeClipFiles } from "./clip-files.js";
import { demoCases } from "./demo-cases.js";
import { type EditCase, heldOutCases, unseenCases } from "./edits.js";
import { type SheetPicture, writePictureSheet } from "./picture-sheet.js";
import { scene } from "./scene.js";
import { strangeClip } from "./strangers.js";
import { captionOf } from "./vocabulary.js";

const sceneRows = 8;
const scenesInRow = 12;
const sheetPixels = 128;

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    seed: { type: "string", default: "7" },
    clips: { type: "string", default: "6" },
    demo: { type: "boolean", default: false },
  },
});
if (values.out === undefined) throw new Error("--out: expected a folder, got none");
if (values.demo) await writeClipFiles(values.out, demoCases);
else await writeWorld(values.out, { seed: Number(values.seed), clipCount: Number(values.clips) });

async function writeWorld(
  folder: string,
  { seed, clipCount }: { readonly seed: number; readonly clipCount: number },
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const scenes = Array.from({ length: sceneRows }, (_, row) =>
    Array.from({ length: scenesInRow }, (_, column) =>
      scene({ seed, index: row * scenesInRow + column }),
    ),
  );
  await writePictureSheet(join(folder, "scenes.png"), scenes, { pixelsEach: sheetPixels });
  const strangers = Array.from({ length: clipCount }, (_, index) =>
    strangeClip({ seed, index }, { side: gridSide, frameCount: 8 }),
  );
  const strangersPath = join(folder, "strangers.png");
  await writePictureSheet(strangersPath, strangers.map(rowOf), { pixelsEach: sheetPixels });
  console.log(`${strangersPath}, from top to bottom, as they are called in training:`);
  console.log(strangers.map(({ caption }) => caption).join("\n"));
  const cases = {
    "held-out": heldOutCases(seed, { count: clipCount }),
    unseen: unseenCases(seed, { count: clipCount }),
  };
  for (const [name, list] of Object.entries(cases)) {
    const rows = list.flatMap(rowsOf);
    await writePictureSheet(join(folder, `${name}.png`), rows, { pixelsEach: sheetPixels });
    await writeClipFiles(join(folder, name), list);
    console.log(`${join(folder, `${name}.png`)}, from top to bottom:`);
    for (const { content, edits } of list) {
      console.log([content, ...edits.map((edit) => edit.content)].map(captionOf).join("\n"));
    }
  }
}

/** The frames of a clip in a row, then those of the truth of each of its edits. */
function rowsOf({ key, content, edits }: EditCase): SheetPicture[][] {
  const contents = [content, ...edits.map((edit) => edit.content)];
  return contents.map((shown) => rowOf(clip(key, { content: shown })));
}

function rowOf({ frames, side }: Clip): SheetPicture[] {
  return frames.map((pixels) => ({ pixels, side }));
}
