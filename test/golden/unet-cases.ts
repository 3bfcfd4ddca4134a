import type { HostTensors } from "@retake/gpu-node";
import type { UNetSpec } from "@retake/model";
import { relativeError } from "./comparison.js";
import { inputsOfPass, shapeOfPass } from "./denoiser.js";
import { type GoldenContext, guarded, measuredRow, skippedRow } from "./golden-context.js";
import { outputOf, withProgram } from "./golden-model.js";
import type { Row, Rows } from "./measurement.js";
import type { TensorFile } from "./tensor-file.js";
import { type TemporalSet, temporalSets } from "./tunable-tensors.js";

const group = "unet";
const outputQuantity = [/^UNet output, all/, /^UNet output(?!.*sinusoid)/];

/** Whole forward passes, and the outputs of modules inside them where they are stored. */
export async function* unetCases(context: GoldenContext): Rows {
  const file = await context.folder.tensors(group);
  if (file === undefined) {
    yield skippedRow({ group, name: "all", reason: "there is no unet.safetensors" });
    return;
  }
  const cases = new Set(file.names.map((name) => name.split("/")[0] ?? ""));
  for (const name of [...cases].filter(context.isWanted)) {
    yield* guarded({ group, name }, passRows(context, file, name));
  }
}

/** A forward pass as the file describes it. */
interface Pass {
  readonly name: string;
  readonly spec: UNetSpec;
  readonly timesteps: readonly number[];
  /** All but the tunable tensors. */
  readonly inputs: HostTensors;
  readonly reference: ArrayLike<number>;
}

async function readPass(context: GoldenContext, file: TensorFile, name: string): Promise<Pass> {
  const { unetConfig: config } = context.model;
  const latents = await file.tensor(`${name}/sample`);
  const prompt = await file.tensor(`${name}/text`);
  const timesteps = Array.from(await file.values(`${name}/timestep`));
  const start = `${name}/act/`;
  const stored = file.names.filter((each) => each.startsWith(start));
  const captures = stored.map((each) => each.slice(start.length));
  const shape = shapeOfPass(latents, prompt);
  return {
    name,
    spec: { kind: "unet", config, shape, captures },
    timesteps,
    inputs: inputsOfPass(config, { latents, prompt, timesteps, tensors: {} }),
    reference: await file.values(`${name}/out`),
  };
}

/**
 * The files do not say which temporal tensors a case was made with, so that both sets are run and
 * the nearer one counts: a wrong network is near neither.
 */
async function* passRows(context: GoldenContext, file: TensorFile, name: string): Rows {
  const { engine, unetWeights: weights } = context.model;
  const pass = await readPass(context, file, name);
  const { spec, inputs } = pass;
  const found = await withProgram(engine, { spec, weights }, async (run) => {
    const passes: { set: TemporalSet; outputs: HostTensors; error: number }[] = [];
    for (const set of temporalSets) {
      const outputs = await run({ ...context.tensors[set], ...inputs });
      const error = relativeError(outputOf(outputs, "predictedNoise"), pass.reference);
      passes.push({ set, outputs, error });
    }
    const nearer = passes.reduce((best, each) => (each.error < best.error ? each : best));
    const table = await referenceSinusoid(context, pass);
    if (table === undefined) return { ...nearer, sinusoidShare: undefined };
    const tensors = { ...context.tensors[nearer.set], ...inputs };
    const other = await run({ ...tensors, timestepSinusoid: table });
    const ours = outputOf(nearer.outputs, "predictedNoise");
    const sinusoidShare = relativeError(ours, outputOf(other, "predictedNoise"));
    return { ...nearer, sinusoidShare };
  });
  const { error, sinusoidShare: share } = found;
  const detail = `temporal set ${found.set}`;
  yield measuredRow(context, {
    group,
    name: `${name}/out`,
    quantity: outputQuantity,
    error,
    detail,
  });
  for (const path of spec.captures ?? []) {
    yield await captureRow(context, file, { name: `${name}/act/${path}`, outputs: found.outputs });
  }
  if (share === undefined) return;
  const quantity = [/sinusoid/];
  yield measuredRow(context, { group, name: `${name}/sinusoid`, quantity, error: share });
}

async function captureRow(
  context: GoldenContext,
  file: TensorFile,
  capture: { readonly name: string; readonly outputs: HostTensors },
): Promise<Row> {
  const { name, outputs } = capture;
  const reference = await file.values(name);
  const isInner = /transformer/.test(name);
  const output = outputOf(outputs, name.slice(name.indexOf("act/")));
  // The time embedding always runs with two rows or more; the reference has one per item.
  const found = name.endsWith("/time_embedding") ? output.slice(0, reference.length) : output;
  return measuredRow(context, {
    group,
    name,
    quantity: [isInner ? /inner activations/ : /block outputs/],
    error: relativeError(found, reference),
  });
}

/** The reference's own table of waves for a pass, where the set has it for its timesteps. */
async function referenceSinusoid(
  context: GoldenContext,
  pass: Pass,
): Promise<HostTensors[string] | undefined> {
  const file = await context.folder.tensors("modules");
  const ours = pass.inputs.timestepSinusoid;
  const timestep = pass.timesteps[0] ?? 0;
  if (file?.has("time/sinusoid") !== true || ours === undefined) return undefined;
  const row = Array.from(await file.values("time/timesteps")).indexOf(timestep);
  const channels = file.shape("time/sinusoid")[1] ?? 0;
  if (row < 0 || pass.timesteps.length > 1 || channels !== ours.shape[1]) return undefined;
  const table = await file.values("time/sinusoid");
  const data = Float32Array.from(
    ours.data,
    (_, i) => table[row * channels + (i % channels)] ?? Number.NaN,
  );
  return { shape: ours.shape, data };
}
