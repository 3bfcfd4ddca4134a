import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Accuracy, Classifier } from "../models/demo/judge/classifier.js";
import type { Editor } from "../models/demo/judge/editor.js";
import {
  type Drawing,
  drawPictures,
  isRight,
  mistakeText,
  textToImageColumns,
  textToImageRow,
  writeContactSheet,
} from "../models/demo/judge/text-to-image.js";
import type { Report } from "./report.js";

/** The share of pictures that must be right in subject, place and colour. */
const rightShareMin = 0.98;

/** Draws pictures from sentences alone, and says how many show what was asked for. */
export async function textToImage(
  judge: {
    readonly editor: Editor;
    readonly classifier: Classifier;
    readonly accuracyText: (kind: keyof Accuracy) => string;
  },
  options: Drawing & { readonly sheetPath: (model: string) => string },
): Promise<Report> {
  const { count, seed, ddim, guidance } = options;
  const pictures = await drawPictures(judge, options, (done) => {
    if (done % 8 === 0) console.error(`picture ${done} of ${count}`);
  });
  const model = judge.editor.files.hash.slice(0, 12);
  const path = options.sheetPath(model);
  await mkdir(dirname(path), { recursive: true });
  await writeContactSheet(path, pictures);
  console.error(`${path}: in the order in which they were asked for, eight in a row`);
  const rightCount = pictures.filter(isRight).length;
  const bounded = { set: "all", bound: `>= ${rightShareMin}` };
  const part = (set: string, isOfPart: boolean) => ({
    cells: textToImageRow(
      { set, bound: "" },
      pictures.filter(({ isHeldOut }) => isHeldOut === isOfPart),
    ),
  });
  const mistakes = pictures.flatMap((picture, index) =>
    isRight(picture) ? [] : [mistakeText(picture, index)],
  );
  return {
    title: "bench:quality, text to image",
    columns: textToImageColumns,
    rows: [
      { cells: textToImageRow(bounded, pictures), isMet: rightCount >= rightShareMin * count },
      part("held-out combinations", true),
      part("combinations of training", false),
    ],
    notes: [
      `Checkpoint ${model}, not tuned; ${count} sentences by seed ${seed}, one picture each from ` +
        `random noise: ${ddim} iterations, guidance ${guidance}. Half of either row has a tint.`,
      "Shares of pictures, with Wilson's 95 % intervals. The bound is for all three at once.",
      `The classifier: ${judge.accuracyText("clean")}; worn: ${judge.accuracyText("worn")}.`,
      mistakes.length === 0 ? "No picture is wrong." : `Wrong: ${mistakes.join("; ")}.`,
    ],
  };
}
