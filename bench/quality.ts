/**
 * `npm run bench:quality`: how good edits are, by clips whose edits have a known truth. Results go
 * to a file, one line an edit; a run that was stopped goes on where it was.
 */
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import type { ClipPixels } from "@retake/gpu-node";
import {
  type Accuracy,
  accuracyOf,
  Classifier,
  readClassifier,
  shippedClassifier,
  writeClassifier,
} from "../models/demo/judge/classifier.js";
import { endedBy, isStepCount, stopRules } from "../models/demo/judge/early-stop.js";
import { Editor } from "../models/demo/judge/editor.js";
import {
  type Judging,
  judgeClip,
  modelName,
  nameOf,
  settingsName,
  truthMethods,
} from "../models/demo/judge/judge-clip.js";
import { clipOfCase, clipsOfFolder, type JudgedClip } from "../models/demo/judge/judged-clips.js";
import {
  type CardSettings,
  type Method,
  methodsFor,
  needsSeeds,
} from "../models/demo/judge/methods.js";
import { differenceRow, qualityColumns, qualityRow } from "../models/demo/judge/quality-table.js";
import { type Result, Results } from "../models/demo/judge/results.js";
import { writeSheetsBeside, writeStrip, writeStripSheet } from "../models/demo/judge/strips.js";
import { trainClassifier } from "../models/demo/judge/train-classifier.js";
import { type EditKind, editKinds, heldOutCases, unseenCases } from "../models/demo/world/edits.js";
import { cacheDir, rootDir } from "./places.js";
import { publishReport, type Report, runBench } from "./report.js";
import { textToImage } from "./text-to-image.js";

const usage = `npm run bench:quality -- [options]
  --model PATH          checkpoint of the demo's world (default models/demo)
  --clips DIR           clips and tracks.json to judge on, instead of the world's own
  --clips-count N       held-out clips (default 24)
  --unseen-count N      clips with a subject, place or colour that training never saw (default 12)
  --seeds N             default 3
  --methods A,B,...     default all: see models/demo/judge/methods.ts
  --results FILE        default .cache/quality/results.jsonl
  --classifier-steps N  train a classifier anew (default: the one that comes along, of 3000)
  --lanes N             clips judged side by side (default 2): thin networks keep one thread busy
  --threads N           of each lane (default 1); what has no lanes takes those of all
  --by-kind             tell of subject, place and colour edits apart, and of swaps together
  --table-only          tell what is in the file of results, and judge nothing
  --text-to-image       draw single pictures from sentences, and judge nothing else
  --pictures N          of --text-to-image, half of held-out combinations (default 64)
  --picture-guidance N  of --text-to-image (default 3)
  --record              write the table to bench/RESULTS.md, and a sheet of pictures beside it`;

const qualityDir = join(cacheDir, "quality");
const contactSheet = join(rootDir, "bench/quality.png");
const worldSeed = 20_260_000;
const classifierSeed = 1;
const accuracySeed = 2;
const accuracyCount = 2000;
const pictureSeed = 64;
/** Clips of each set whose frames are kept as pictures, with the first seed. */
const shownClipsMax = 3;

interface Options {
  readonly model: string;
  readonly clips: string | undefined;
  readonly heldOutCount: number;
  readonly unseenCount: number;
  readonly seeds: readonly number[];
  readonly methods: readonly string[] | undefined;
  readonly results: string;
  readonly classifierSteps: number | undefined;
  readonly lanes: number;
  readonly threads: number;
  readonly isByKind: boolean;
  readonly isTableOnly: boolean;
  /** Whether the sheet of pictures is to lie beside the table of results. */
  readonly isRecorded: boolean;
  /** Where single pictures are wanted, and no edits. */
  readonly pictures: { readonly count: number; readonly guidance: number } | undefined;
}

async function judgedClips(options: Options): Promise<readonly JudgedClip[]> {
  if (options.clips !== undefined) return clipsOfFolder(options.clips);
  const heldOut = heldOutCases(worldSeed, { count: options.heldOutCount });
  const unseen = unseenCases(worldSeed, { count: options.unseenCount });
  return [
    ...heldOut.map((each) => clipOfCase("held-out", each)),
    ...unseen.map((each) => clipOfCase("unseen", each)),
  ];
}

/** The classifier and how good it is; one of other steps is trained where it was not yet. */
async function openJudge({
  classifierSteps: steps,
  ...options
}: Options): Promise<{ readonly classifier: Classifier; readonly accuracy: Accuracy }> {
  const threads = options.threads * options.lanes;
  const weights =
    (await readClassifier(classifierFile(steps))) ?? (await trained({ steps, threads }));
  const classifier = await Classifier.open(weights, { threads });
  const accuracy = await accuracyOf(classifier, { seed: accuracySeed, count: accuracyCount });
  return { classifier, accuracy };
}

const shippedSteps = 3000;

const classifierFile = (steps: number | undefined): string =>
  steps === undefined
    ? join(rootDir, shippedClassifier)
    : join(qualityDir, `classifier-${steps}.safetensors`);

async function trained({
  steps = shippedSteps,
  threads,
}: {
  readonly steps: number | undefined;
  readonly threads: number;
}): Promise<Float32Array> {
  const began = performance.now();
  const onStep = (step: number, loss: number): void => {
    if (step % 100 === 0) console.error(`classifier: step ${step}, loss ${loss.toFixed(3)}`);
  };
  const weights = await trainClassifier({ seed: classifierSeed, steps, threads, onStep });
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  console.error(`classifier: ${steps} steps in ${seconds} s`);
  await writeClassifier(classifierFile(steps), weights);
  return weights;
}

/** What the checkpoint's card says; the paper's values where it says nothing. */
function cardOf(editor: Editor): CardSettings {
  const defaults = { ...(editor.files.card?.defaults as Partial<CardSettings> | undefined) };
  return { steps: 300, rate: 3e-5, ddim: 50, guidance: 12.5, strength: 1, ...defaults };
}

function chosenMethods(editor: Editor, names: readonly string[] | undefined): readonly Method[] {
  const all = methodsFor(cardOf(editor));
  const unknown = names?.find((name) => !all.some((method) => method.name === name));
  if (unknown === undefined) return all.filter(({ name }) => names?.includes(name) ?? true);
  const known = all.map(({ name }) => name).join(", ");
  throw new Error(`--methods: expected some of ${known}; got ${unknown}`);
}

interface OpenJudge {
  readonly editor: Editor;
  readonly classifier: Classifier;
  readonly accuracy: Accuracy;
}

async function judge(options: Options): Promise<Report> {
  const { classifier, accuracy } = await openJudge(options);
  const { pictures, lanes } = options;
  const threads = options.threads * (pictures === undefined ? 1 : lanes);
  const editor = await Editor.open(options.model, { cacheDir, threads });
  try {
    if (pictures === undefined) return await judgeEdits(options, { editor, classifier, accuracy });
    const drawing = { ...pictures, seed: pictureSeed, ddim: cardOf(editor).ddim };
    const sheetPath = (model: string): string =>
      options.isRecorded
        ? join(rootDir, "bench/text-to-image.png")
        : join(dirname(options.results), `text-to-image-${model}.png`);
    const accuracyText = accuracyTextOf(accuracy);
    return await textToImage({ editor, classifier, accuracyText }, { ...drawing, sheetPath });
  } finally {
    await Promise.all([editor.close(), classifier.close()]);
  }
}

async function judgeEdits(options: Options, open: OpenJudge): Promise<Report> {
  const { seeds } = options;
  const { editor, accuracy } = open;
  const results = await Results.open(options.results);
  const methods = chosenMethods(editor, options.methods);
  const clips = await judgedClips(options);
  const shown = new Set(["held-out", "unseen", "given"].flatMap((set) => shownOf(clips, set)));
  await mkdir(stripsOf(options), { recursive: true });
  const onEdit = async (result: Result, frames: ClipPixels): Promise<void> => {
    const isShown = shown.has(result.clip) && result.seed <= (seeds[0] ?? 0);
    if (isShown) await writeStrip(stripPath(options, result), frames);
  };
  const judging = { ...open, results, methods, seeds, onEdit };
  if (!options.isTableOnly) await judgeInLanes(options, { judging, clips });
  const sheets = await writeSheets(options, {
    judging,
    clips: clips.filter(({ id }) => shown.has(id)),
  });
  if (options.isRecorded) await writeSheetsBeside(contactSheet, sheets);
  return reportOf(judging, { clips, accuracy, isByKind: options.isByKind });
}

/**
 * Judges clips, some at once: each lane takes the next one when it is done with its last. When one
 * fails, the others end with the clip that they are at.
 */
async function judgeInLanes(
  { model, lanes, threads }: Options,
  { judging, clips }: { readonly judging: Judging; readonly clips: readonly JudgedClip[] },
): Promise<void> {
  const left = [...clips.entries()];
  const run = async (editor: Editor): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [number, clip] = next;
      console.error(`clip ${number + 1} of ${clips.length}: ${clip.caption} (${clip.id})`);
      try {
        await judgeClip({ ...judging, editor }, clip);
      } catch (error) {
        left.length = 0;
        throw error;
      }
    }
  };
  const others: Editor[] = [];
  try {
    while (others.length < lanes - 1) others.push(await Editor.open(model, { cacheDir, threads }));
    const ends = await Promise.allSettled([judging.editor, ...others].map(run));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  } finally {
    await Promise.all(others.map((editor) => editor.close()));
  }
}

const shownOf = (clips: readonly JudgedClip[], set: string): readonly string[] =>
  clips.flatMap((clip) => (clip.set === set ? [clip.id] : [])).slice(0, shownClipsMax);

const stripsOf = ({ results }: Options): string => `${results}.frames`;

const stripPath = (
  options: Options,
  { model, clip, kind, method, settings }: Omit<Result, "score">,
): string => {
  const name = [model, clip, kind, method, settings].join("_");
  return join(stripsOf(options), `${name.replace(/[^\w.-]/g, "-")}.png`);
};

/**
 * One picture per shown clip: the truth of each edit, then what each method made of it.
 *
 * @returns  their paths
 */
async function writeSheets(
  options: Options,
  { judging, clips }: { readonly judging: Judging; readonly clips: readonly JudgedClip[] },
): Promise<readonly string[]> {
  const paths: string[] = [];
  const names = [...truthMethods, ...judging.methods.map(({ name }) => name)];
  for (const clip of clips) {
    const cases = clip.edits.flatMap((edit) =>
      names.map((method) =>
        nameOf(judging, { clip, edit, method, seed: firstSeedOf(judging, method) }),
      ),
    );
    const done = cases.filter((each) => judging.results.has(each));
    if (done.length === 0) continue;
    const path = join(stripsOf(options), `sheet-${clip.id.replace(/[^\w.-]/g, "-")}.png`);
    await writeStripSheet(
      path,
      done.map((each) => stripPath(options, each)),
    );
    const rows = done.map(({ kind, method }) => `${kind} ${method}`).join(", ");
    console.error(`${path}, from top to bottom: ${rows}`);
    paths.push(path);
  }
  return paths;
}

const firstSeedOf = ({ seeds }: Judging, method: string): number =>
  truthMethods.some((name) => name === method) ? 0 : (seeds[0] ?? 0);

function reportOf(
  judging: Judging,
  {
    clips,
    accuracy,
    isByKind,
  }: {
    readonly clips: readonly JudgedClip[];
    readonly accuracy: Accuracy;
    readonly isByKind: boolean;
  },
): Report {
  const { results, methods } = judging;
  const model = modelName(judging);
  const known = results
    .all()
    .filter((one) => one.model === model && one.settings === settingsName(judging, one.method));
  // By clip, not as the lanes came to an end: intervals depend on the order.
  const all = clips.flatMap(({ id }) => known.filter(({ clip }) => clip === id));
  const sets = [...new Set(clips.map(({ set }) => set))];
  const groups = sets.flatMap((set): readonly Group[] => {
    const inSet = all.filter((one) => one.set === set);
    const kept = inSet.filter((one) => one.keepsUnseen);
    return [
      { set, list: inSet, tellsAll: true },
      ...(isByKind ? kindGroups : []).map((kinds) => ({
        set: `${set}, ${kinds.join(" and ")} edits`,
        list: inSet.filter(({ kind }) => kinds.includes(kind)),
        tellsAll: false,
      })),
      ...(kept.length > 0
        ? [{ set: `${set}, unseen part stays`, list: kept, tellsAll: true }]
        : []),
    ];
  });
  const rows = groups.flatMap((group) => rowsOf(group, methods));
  const accuracyText = accuracyTextOf(accuracy);
  return {
    title: "bench:quality",
    columns: qualityColumns,
    rows,
    notes: [
      `Checkpoint ${model}; ${clips.length} clips of 8 frames; n counts edits times seeds.`,
      "subject, place, colour: mean shares of frames that show what was asked for; " +
        "the others: medians. In brackets 95 % bootstrap intervals over clips. " +
        "Differences: means, edit by edit.",
      `The classifier, on ${accuracyCount} pictures that it has not seen: ` +
        `${accuracyText("clean")}; on worn ones: ${accuracyText("worn")}.`,
    ],
  };
}

/** How often the classifier is right about clean or worn pictures, in words. */
function accuracyTextOf(accuracy: Accuracy): (kind: keyof Accuracy) => string {
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  return (kind) => {
    const { subject, place, colour } = accuracy[kind];
    return `${percent(subject)} subject, ${percent(place)} place, ${percent(colour)} colour`;
  };
}

/** Results that are told of together. */
interface Group {
  readonly set: string;
  readonly list: readonly Result[];
  /** Whether all methods are told of, and against each other; if not, numbers of steps alone. */
  readonly tellsAll: boolean;
}

/** Kinds of edits that `--by-kind` tells of: the swaps together, and each alone. */
const kindGroups: readonly (readonly EditKind[])[] = [
  ["subject", "place"],
  ...editKinds.map((kind) => [kind]),
];

function rowsOf({ set, list, tellsAll }: Group, methods: readonly Method[]): Report["rows"] {
  const names = methods.map(({ name }) => name);
  const seedless = new Set(methods.filter((one) => !needsSeeds(one)).map(({ name }) => name));
  const told = tellsAll ? [...truthMethods, ...names] : names.filter(isStepCount);
  const stopped = Object.entries(tellsAll ? stopRules : {}).map(([rule, by]) => {
    const name = `stopped by ${rule}`;
    return { method: name, results: endedBy(by, { results: list, name }) };
  });
  const all = [
    ...told.map((method) => ({ method, results: list.filter((one) => one.method === method) })),
    ...stopped,
  ].filter(({ results }) => results.length > 0);
  const rows = all.map(({ method, results }) => ({ cells: qualityRow({ set, method }, results) }));
  const compared = [["tuned", "untuned"] as const, ...(tellsAll ? comparisons(names) : [])];
  const differences = compared.flatMap(([method, against]) => {
    const [ours, theirs] = [method, against].map((name) => all.find((one) => one.method === name));
    if (ours === undefined || theirs === undefined) return [];
    const results = { method: ours.results, against: theirs.results, seedless };
    const cells = differenceRow({ set, method, against }, results);
    return cells === undefined ? [] : [{ cells }];
  });
  return [...rows, ...differences];
}

/**
 * Which methods are told against which: what `--stop auto` goes by against every number of steps
 * that it could have ended at, those that change one setting against the card's, and those with an
 * untuned twin against it.
 */
function comparisons(names: readonly string[]): readonly (readonly [string, string])[] {
  const auto = "stopped by reconstruction";
  const others = names.filter((name) => name !== "tuned" && !name.startsWith("untuned"));
  const twins = others.filter((name) => names.includes(`untuned-${name}`));
  return [
    ...names.filter(isStepCount).map((steps) => [auto, steps] as const),
    ...others.map((name) => [name, "tuned"] as const),
    ...twins.map((name) => [name, `untuned-${name}`] as const),
  ];
}

function countOf(option: string, text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count >= 1) return count;
  throw new Error(`${option}: expected a number from 1 on, got ${text}`);
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      model: { type: "string", default: join(rootDir, "models/demo") },
      clips: { type: "string" },
      "clips-count": { type: "string", default: "24" },
      "unseen-count": { type: "string", default: "12" },
      seeds: { type: "string", default: "3" },
      methods: { type: "string" },
      results: { type: "string", default: join(qualityDir, "results.jsonl") },
      "classifier-steps": { type: "string" },
      lanes: { type: "string", default: "2" },
      threads: { type: "string", default: "1" },
      "by-kind": { type: "boolean", default: false },
      "table-only": { type: "boolean", default: false },
      "text-to-image": { type: "boolean", default: false },
      pictures: { type: "string", default: "64" },
      "picture-guidance": { type: "string", default: "3" },
      record: { type: "boolean", default: false },
    },
  });
  const report = await judge({
    ...{ model: values.model, clips: values.clips, results: values.results },
    heldOutCount: Number(values["clips-count"]),
    unseenCount: Number(values["unseen-count"]),
    seeds: Array.from({ length: Number(values.seeds) }, (_, index) => index + 1),
    methods: values.methods?.split(","),
    classifierSteps:
      values["classifier-steps"] === undefined ? undefined : Number(values["classifier-steps"]),
    ...{ lanes: countOf("--lanes", values.lanes), threads: countOf("--threads", values.threads) },
    isByKind: values["by-kind"],
    isTableOnly: values["table-only"],
    isRecorded: values.record,
    pictures: values["text-to-image"]
      ? { count: Number(values.pictures), guidance: Number(values["picture-guidance"]) }
      : undefined,
  });
  return publishReport(report, { record: values.record });
}

await runBench(main, usage);
