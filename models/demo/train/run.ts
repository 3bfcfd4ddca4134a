/**
 * `npm run demo-model:train`: trains the demo model from nothing, or goes on where it was stopped.
 * Ctrl-C ends it at the next step; the same command goes on from there, to the same bits.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createTokenizer, type Tokenizer } from "@retake/checkpoint";
import { readArrays, writeArrays } from "./array-file.js";
import { exportCheckpoint } from "./export-checkpoint.js";
import { drawLossCurves } from "./loss-curves.js";
import {
  fullRecipe,
  type PhaseName,
  phaseNames,
  picturesHash,
  type Recipe,
  withSteps,
} from "./recipe.js";
import { lossesSoFar, train } from "./train.js";
import type { TrainControl } from "./train-phase.js";
import {
  arraysOfPictures,
  drawTrainingData,
  emptyData,
  type TrainingData,
} from "./training-data.js";

const tokenizerFolder = "models/demo/tokenizer";

const usage = `npm run demo-model:train -- [options]
  --states DIR     where pictures and states lie (default .cache/demo-train)
  --out DIR        where the checkpoint goes when all is done (default: beside the states)
  --steps LIST     other numbers of steps, as vae=400,unet=800,clip=100,decoder=300
  --minutes N      stop after so many minutes; default: at the end`;

const reportEveryMs = 10_000;

/** Prints a line now and then: how far, how well, how fast. */
function stepPrinter(): TrainControl["onStep"] {
  const begin = () => ({ at: performance.now(), cpu: process.cpuUsage(), steps: 0 });
  let since = { ...begin(), loss: 0, flops: 0 };
  return (phase, { step, steps, loss, flops }) => {
    const { at, cpu } = since;
    since = { ...since, steps: since.steps + 1, loss: since.loss + loss };
    since.flops += flops;
    const elapsedMs = performance.now() - at;
    if (elapsedMs < reportEveryMs && step !== steps) return;
    const used = process.cpuUsage(cpu);
    const cores = ((used.user + used.system) / 1000 / elapsedMs).toFixed(2);
    const mean = (since.loss / since.steps).toFixed(5);
    const rate = (since.flops / elapsedMs / 1e6).toFixed(1);
    const pace = elapsedMs / since.steps;
    const left = ((pace * (steps - step)) / 60_000).toFixed(0);
    const speed = `${pace.toFixed(0)} ms a step, ${rate} GFLOP/s on ${cores} cores`;
    console.log(`${phase} ${step}/${steps}: loss ${mean}, ${speed}, ${left} min left`);
    since = { ...begin(), loss: 0, flops: 0 };
  };
}

/** The pictures to train on: kept ones, else they are drawn and kept. */
async function pictures(
  folder: string,
  recipe: Recipe,
  tokenizer: Tokenizer,
): Promise<TrainingData> {
  const hash = picturesHash(recipe);
  const file = { path: join(folder, `pictures-${hash}.safetensors`), hash };
  const kept = emptyData(recipe, tokenizer);
  if (await readArrays(file, arraysOfPictures(kept))) return kept;
  console.log("drawing pictures");
  const drawn = drawTrainingData(recipe, tokenizer);
  await writeArrays(file, arraysOfPictures(drawn));
  return drawn;
}

/** `vae=400,unet=800`, as numbers by phase. */
function decodeSteps(list: string): Partial<Record<PhaseName, number>> {
  const entries = list.split(",").map((part) => {
    const [name, count] = part.split("=");
    const phase = phaseNames.find((known) => known === name);
    const steps = Number(count);
    if (phase === undefined || !Number.isSafeInteger(steps) || steps < 1) {
      throw new Error(
        `--steps: expected PHASE=N with one of ${phaseNames.join(", ")}, got ${part}`,
      );
    }
    return [phase, steps] as const;
  });
  return Object.fromEntries(entries);
}

/** Aborts at Ctrl-C, when the process is asked to end, or after so many minutes. */
function stopSignal(minutes: string | undefined): AbortSignal {
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  process.once("SIGTERM", () => stop.abort());
  if (minutes !== undefined) setTimeout(() => stop.abort(), Number(minutes) * 60_000).unref();
  return stop.signal;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      states: { type: "string", default: ".cache/demo-train" },
      out: { type: "string" },
      steps: { type: "string" },
      minutes: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(usage);
  const signal = stopSignal(values.minutes);
  const recipe =
    values.steps === undefined ? fullRecipe : withSteps(fullRecipe, decodeSteps(values.steps));
  const at = { folder: values.states, recipe };
  await mkdir(at.folder, { recursive: true });
  console.log(`states: ${at.folder}`);
  const tokenizer = await createTokenizer(tokenizerFolder);
  const data = await pictures(values.states, recipe, tokenizer);
  const weights = await train(
    { at, data, entry: new URL("./train-worker.js", import.meta.url) },
    {
      signal,
      onStep: stepPrinter(),
      onValidation: (phase, { step, errors }) => {
        const all = Object.entries(errors).map(([name, error]) => `${name} ${error.toFixed(5)}`);
        console.log(`${phase} ${step}, unseen pictures: ${all.join(", ")}`);
      },
      ...{ stepsBetweenStates: 200, stepsBetweenValidations: 250 },
    },
  );
  await drawLossCurves(join(at.folder, "losses.png"), await lossesSoFar(at));
  if (weights === undefined) return console.log("stopped; the same command goes on from here");
  const out = values.out ?? join(at.folder, "checkpoint");
  const to = { folder: out, tokenizer: tokenizerFolder };
  await exportCheckpoint(recipe, (name) => weights.get(name), to);
  console.log(`done: ${out}`);
}

await main();
