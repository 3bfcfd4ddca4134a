/**
 * `npm run demo-model:judge -- --result DIR`: the figures of an edit of a clip whose truth is
 * known. `npm run demo` ends with it.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Classifier, readClassifier, shippedClassifier } from "./classifier.js";
import { type JudgedFile, judgeResult } from "./judge-result.js";

const usage = `npm run demo-model:judge -- [options]
  --result DIR     what retake edit or retake demo wrote, of a clip that lies beside a tracks.json
                   (default out/demo)`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    // `npm run demo` hands its own arguments on: those of the edit are none of ours.
    strict: false,
    options: {
      result: { type: "string", default: join("out", "demo") },
      out: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) return console.log(usage);
  const folder = values.out ?? values.result;
  if (typeof folder !== "string") throw new Error("--result: expected a folder, got none");
  const weights = await readClassifier(shippedClassifier);
  if (weights === undefined) {
    throw new Error(`${shippedClassifier}: expected the classifier's weights; fetch Retake again`);
  }
  const classifier = await Classifier.open(weights, { threads: 1 });
  try {
    console.log(tableOf(await judgeResult(folder, classifier)));
  } finally {
    await classifier.close();
  }
}

function tableOf(judged: readonly JudgedFile[]): string {
  const decibel = (value: number | null): string => (value === null ? "-" : value.toFixed(1));
  const share = (value: number): string => `${Math.round(value * 100)} %`;
  const head = ["edit", "subject", "place", "colour", "off track", "background", "truth"];
  const rows = judged.map(({ prompt, score }) => [
    ...[prompt, share(score.subject), share(score.place), share(score.colour)],
    ...[`${score.motionPixels.toFixed(1)} px`, decibel(score.backgroundDb)],
    decibel(score.truthDb),
  ]);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const lines = [head, ...rows].map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "),
  );
  return [
    "",
    "against the rendered truth: frames in which subject, place and colour are what was asked for;",
    "distance from the known track, of 64 px; PSNR in dB outside the subject, and of everything",
    "",
    ...lines,
  ].join("\n");
}

try {
  await main();
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.message : thrown);
  process.exitCode = 1;
}
