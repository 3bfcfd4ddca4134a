import { unetInputTensors } from "@retake/model";
import * as tuning from "@retake/model/tuning";
import { differingCount, relativeError, worstOf } from "./comparison.js";
import { inputsOfPass, shapeOfPass } from "./denoiser.js";
import {
  type GoldenContext,
  guarded,
  limitedRow,
  measuredRow,
  skippedRow,
} from "./golden-context.js";
import { outputOf, withProgram } from "./golden-model.js";
import type { Row, Rows } from "./measurement.js";
import type { TensorFile } from "./tensor-file.js";
import { temporalSets } from "./tunable-tensors.js";
import {
  readTuneInputs,
  readTuneVariants,
  type TuneInputs,
  type TuneVariant,
} from "./tune-file.js";
import { drawInputs, gradientsSpec, runDraw, runTuning, type TuneRun } from "./tune-run.js";
import { updateRows } from "./tune-updates.js";

const group = "tune";
const modes: readonly tuning.TuningMode[] = ["paper", "reference"];

/** Tuning in every variant: losses, gradients, norms, and the weights that come of them. */
export async function* tuneCases(context: GoldenContext): Rows {
  const file = await context.folder.tensors(group);
  const variants = await readTuneVariants(context);
  if (file === undefined || variants.length === 0) {
    const reason = "there is no tune.safetensors with variants in tune.json";
    yield skippedRow({ group, name: "all", reason });
    return;
  }
  const inputs = await readTuneInputs(file);
  yield* predictionRows(context, file, inputs);
  for (const mode of modes) {
    const wanted = variants.filter((each) => each.mode === mode && context.isWanted(each.name));
    if (wanted.length === 0) continue;
    const rows = modeRows(context, file, { inputs, mode, variants: wanted });
    yield* guarded({ group, name: `${mode} mode` }, rows);
  }
}

async function* modeRows(
  context: GoldenContext,
  file: TensorFile,
  options: {
    readonly inputs: TuneInputs;
    readonly mode: tuning.TuningMode;
    readonly variants: readonly TuneVariant[];
  },
): Rows {
  const { engine, unetWeights: weights } = context.model;
  const { inputs, mode, variants } = options;
  const spec = gradientsSpec(context, inputs, { mode, memory: "fast" });
  const runs = await withProgram(engine, { spec, weights }, async (run) => {
    const done: { variant: TuneVariant; tuned: TuneRun }[] = [];
    for (const variant of variants) {
      done.push({ variant, tuned: await runTuning(context, inputs, { variant, run }) });
    }
    return done;
  });
  for (const { variant, tuned } of runs) {
    yield* variantRows(context, file, { variant, tuned });
    yield* updateRows(context, file, { variant, tuned, steps: inputs.steps });
  }
  const [first] = variants;
  if (first !== undefined) yield await lowMemoryRow(context, file, { inputs, variant: first });
}

async function* variantRows(
  context: GoldenContext,
  file: TensorFile,
  { variant, tuned }: { readonly variant: TuneVariant; readonly tuned: TuneRun },
): Rows {
  const { name } = variant;
  const names = tuning.trainableTensors(unetInputTensors(context.model.unetConfig), variant.mode);
  const trained = names.map((tensor) => tensor.name).sort();
  const error = differingCount(trained, variant.withGradient.toSorted());
  yield limitedRow({ group, name, quantity: "tensors trained or not", error });
  yield measuredRow(context, {
    group,
    name: `${name}/loss`,
    quantity: [/^loss/],
    error: relativeError(tuned.losses, variant.losses),
  });
  yield measuredRow(context, {
    group,
    name: `${name}/gradient norm`,
    quantity: [/^gradient norm/],
    error: relativeError(tuned.gradientNorms, variant.gradientNorms),
  });
  yield await gradientRow(context, file, {
    variant,
    found: tuned.firstGradients,
    name: `${name}/grad`,
  });
  if (variant.zeroAtFirst.length === 0) return;
  const largest = worstOf(
    variant.zeroAtFirst.map((zero) => [
      zero,
      Math.max(...(tuned.firstGradients.get(zero) ?? [Number.NaN]).map(Math.abs)),
    ]),
  );
  yield limitedRow({
    group,
    name: `${name}/zero gradients`,
    quantity: "largest value where all are zero",
    error: largest.error,
    detail: largest.name,
  });
}

/** The worst of the step-1 gradients that the file has for a variant's temporal set. */
async function gradientRow(
  context: GoldenContext,
  file: TensorFile,
  compared: {
    readonly variant: TuneVariant;
    readonly found: ReadonlyMap<string, Float32Array>;
    readonly name: string;
  },
): Promise<Row> {
  const { variant, found, name } = compared;
  const errors: [string, number][] = [];
  for (const tensor of variant.withGradient) {
    const key = `grad/${variant.set}/${tensor}`;
    if (!file.has(key) || variant.noiseOnly.has(tensor)) continue;
    errors.push([tensor, relativeError(found.get(tensor) ?? [], await file.values(key))]);
  }
  const worst = worstOf(errors);
  const detail = `worst of ${errors.length}: ${worst.name}`;
  const quantity = [/^gradients, step 1/];
  return measuredRow(context, { group, name, quantity, error: worst.error, detail });
}

/** The same step-1 gradients, with activations computed again instead of kept. */
async function lowMemoryRow(
  context: GoldenContext,
  file: TensorFile,
  { inputs, variant }: { readonly inputs: TuneInputs; readonly variant: TuneVariant },
): Promise<Row> {
  const { engine, unetWeights: weights } = context.model;
  const spec = gradientsSpec(context, inputs, { mode: variant.mode, memory: "low" });
  const tensors = context.tensors[variant.set];
  const outputs = await withProgram(engine, { spec, weights }, (run) =>
    runDraw(context, inputs, { step: 0, tensors, run }),
  );
  const found = new Map(
    spec.trainable.map((name) => [name, outputOf(outputs, `grad/${name}`)] as const),
  );
  const name = `${variant.name}/grad, low memory`;
  return gradientRow(context, file, { variant, found, name });
}

/** The predictions of step 1, where they are stored: `SET/pred`. */
async function* predictionRows(context: GoldenContext, file: TensorFile, inputs: TuneInputs): Rows {
  const { engine, unetConfig: config, unetWeights: weights } = context.model;
  const { prompt } = inputs;
  for (const set of temporalSets) {
    const name = `${set}/pred`;
    if (!file.has(name) || !context.isWanted(name)) continue;
    const { latents, timesteps } = drawInputs(context, inputs, 0);
    const spec = { kind: "unet", config, shape: shapeOfPass(latents, prompt) } as const;
    const pass = { latents, prompt, timesteps, tensors: context.tensors[set] };
    const outputs = await withProgram(engine, { spec, weights }, (run) =>
      run(inputsOfPass(config, pass)),
    );
    yield measuredRow(context, {
      group,
      name,
      quantity: [/^UNet output(?!.*sinusoid)/],
      toleranceGroup: "unet",
      error: relativeError(outputOf(outputs, "predictedNoise"), await file.values(name)),
    });
  }
}
