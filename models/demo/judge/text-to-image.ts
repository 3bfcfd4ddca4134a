import type { ClipPixels } from "@retake/gpu-node";
import { gridSide } from "../world/canvas.js";
import { writePictureSheet } from "../world/picture-sheet.js";
import { captionOf } from "../world/vocabulary.js";
import { type AskedPicture, askedPictures } from "./asked-pictures.js";
import type { Classifier } from "./classifier.js";
import { type Editor, noiseLatents } from "./editor.js";
import { type Question, questionNames, questions } from "./network.js";
import { picturesOf } from "./score.js";
import { type Estimate, shareOf } from "./statistics.js";
import { answerOf } from "./train-classifier.js";

/** How pictures are drawn. */
export interface Drawing {
  readonly seed: number;
  readonly count: number;
  readonly ddim: number;
  readonly guidance: number;
}

/** A picture that a sentence gave, and what the classifier sees in it. */
export interface DrawnPicture extends AskedPicture {
  readonly caption: string;
  /** `[64, 64, 3]`, float32, 0...1. */
  readonly pixels: Float32Array;
  /** Where the classifier sees something else: what it sees. */
  readonly wrong: Readonly<Partial<Record<Question, string>>>;
}

/**
 * Draws pictures from random noise and a sentence each, and judges them: clips of one frame, by the
 * checkpoint as it is, through the product's own tasks.
 */
export async function drawPictures(
  judge: { readonly editor: Editor; readonly classifier: Classifier },
  drawing: Drawing,
  onPicture: (done: number) => void,
): Promise<readonly DrawnPicture[]> {
  const { editor, classifier } = judge;
  const { seed, count, ddim, guidance } = drawing;
  const { vaeConfig, latentFactor } = editor.files;
  const side = gridSide / latentFactor;
  const shape = [1, vaeConfig.latentChannels, 1, side, side];
  const network = editor.untuned({ seed, temporalStart: "no-op" });
  const asked = askedPictures(seed, { count });
  const sampled = [];
  for (const [index, { content }] of asked.entries()) {
    const from = { latents: noiseLatents(shape, seed + index), network };
    sampled.push(await editor.sample(captionOf(content), { strength: 1, guidance, ddim }, from));
    onPicture(index + 1);
  }
  const clips: ClipPixels[] = [];
  for (const latents of sampled) clips.push(await editor.decode(latents));
  const pictures = clips.flatMap(picturesOf);
  const verdicts = await classifier.verdicts(pictures);
  return asked.map((each, index) => {
    const verdict = verdicts[index];
    const pixels = pictures[index];
    if (verdict === undefined || pixels === undefined) {
      throw new Error(`pictures: expected ${count}, got ${verdicts.length}`);
    }
    const wrong = questionNames
      .filter((name) => verdict[name] !== answerOf(each.content, name))
      .map((name) => [name, questions[name][verdict[name]]]);
    return { ...each, pixels, caption: captionOf(each.content), wrong: Object.fromEntries(wrong) };
  });
}

export const textToImageColumns: readonly string[] = [
  ...["pictures", "n", ...questionNames, "all three", "bound"],
];

/** The shares of pictures that show what was asked for, each with its interval. */
export function textToImageRow(
  name: { readonly set: string; readonly bound: string },
  pictures: readonly DrawnPicture[],
): readonly string[] {
  const shares = questionNames.map((question) =>
    shareOf(pictures.map(({ wrong }) => wrong[question] === undefined)),
  );
  const all = shareOf(pictures.map(isRight));
  const cells = [...shares, all].map(shareText);
  return [name.set, String(pictures.length), ...cells, name.bound];
}

/** Whether a picture shows what was asked for: subject, place and colour. */
export const isRight = ({ wrong }: DrawnPicture): boolean => Object.keys(wrong).length === 0;

const shareText = ({ value, low, high }: Estimate): string =>
  `${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;

const sheetColumns = 8;

/** Writes all pictures as one, in the order in which they were asked for, eight in a row. */
export async function writeContactSheet(
  path: string,
  pictures: readonly DrawnPicture[],
): Promise<void> {
  const tiles = pictures.map(({ pixels }) => ({ pixels, side: gridSide }));
  const rows = Array.from({ length: Math.ceil(tiles.length / sheetColumns) }, (_, row) =>
    tiles.slice(row * sheetColumns, (row + 1) * sheetColumns),
  );
  await writePictureSheet(path, rows, { pixelsEach: 2 * gridSide });
}

/** Where a picture stands on the sheet, what it should show, and what it shows instead. */
export function mistakeText({ caption, wrong }: DrawnPicture, index: number): string {
  const seen = Object.entries(wrong).map(([question, answer]) => `${question} ${answer}`);
  const [row, column] = [Math.floor(index / sheetColumns), index % sheetColumns];
  return `row ${row + 1}, column ${column + 1}: "${caption}" shows ${seen.join(", ")}`;
}
