import type { HostTensor } from "@retake/gpu-node";
import * as diffusion from "@retake/model/diffusion";
import { relativeError, worstOf } from "./comparison.js";
import { type EditFile, type EditRun, readEditFile } from "./edit-file.js";
import {
  decodedFrames,
  encodedClip,
  invertedTrajectory,
  openPredict,
  type Predict,
  promptEmbedding,
  sampledTrajectory,
} from "./edit-passes.js";
import { chainFrameRows, frameRows } from "./frame-rows.js";
import { type GoldenContext, guarded, measuredRow, skippedRow } from "./golden-context.js";
import type { Rows } from "./measurement.js";
import type { TensorFile } from "./tensor-file.js";

const group = "edit";

/** What every stage of an edit works on. */
interface Edit {
  readonly context: GoldenContext;
  readonly file: TensorFile;
  readonly edit: EditFile;
  readonly latentShape: readonly number[];
  readonly predict: Predict;
  readonly embed: (prompt: string) => Promise<HostTensor>;
}

/** An edit, stage by stage from the stored tensors, and then as one chain from pixels to frames. */
export async function* editCases(context: GoldenContext): Rows {
  const file = await context.folder.tensors(group);
  const edit = await readEditFile(context);
  if (file === undefined || edit === undefined) {
    const reason = "there is no edit.safetensors with runs in edit.json";
    yield skippedRow({ group, name: "all", reason });
    return;
  }
  const embeddings = new Map<string, HostTensor>();
  const embed = async (prompt: string): Promise<HostTensor> => {
    const embedding = embeddings.get(prompt) ?? (await promptEmbedding(context, prompt));
    embeddings.set(prompt, embedding);
    return embedding;
  };
  const latentShape = file.shape("latents_sample");
  const prompt = await embed(edit.prompt);
  const options = { latentShape, prompt, temporal: edit.temporal };
  const { predict, close } = await openPredict(context, options);
  try {
    yield* allRows({ context, file, edit, latentShape, predict, embed });
  } finally {
    await close();
  }
}

async function* allRows(all: Edit): Rows {
  const latents = await clipLatents(all);
  yield* latentRows(all, latents);
  const counts = all.file.names.flatMap((name) => /^inversion(\d+)\/last$/.exec(name)?.[1] ?? []);
  const inverted = new Map<number, Float32Array>();
  for (const count of counts.map(Number).sort((a, b) => a - b)) {
    yield* inversionRows(all, count);
    if (!all.context.isWanted("chain")) continue;
    const last = await invertedLast(all, { start: latents.sample, samplingCount: count });
    inverted.set(count, last);
    const reference = await all.file.values(`inversion${count}/last`);
    yield measuredRow(all.context, {
      group,
      name: `inversion${count}/last, whole chain`,
      quantity: [/^inversion, whole chain/],
      error: relativeError(last, reference),
    });
  }
  for (const run of all.edit.runs.filter(({ key }) => all.context.isWanted(key))) {
    const place = { group, name: run.key };
    yield* guarded(place, stageRows(all, run));
    const start = inverted.get(run.samplingCount);
    if (start !== undefined) yield* guarded(place, chainRows(all, { run, start }));
  }
}

interface ClipLatents {
  readonly mean: Float32Array;
  readonly sample: Float32Array;
}

/** The clip's latents, computed from its pixels, in the U-Net's axes. */
async function clipLatents({ context, file, latentShape }: Edit): Promise<ClipLatents> {
  const pixels = await file.values("clip_u8");
  const moments = await encodedClip(context, { pixels, shape: file.shape("clip_u8") });
  const noise = Float32Array.from(await file.values("vae_noise"));
  const [, channels = 0, frames = 0, height = 0, width = 0] = latentShape;
  const sizes = { channels, frames, tokens: height * width };
  const latentScale = context.model.vaeConfig.scalingFactor;
  return {
    mean: diffusion.channelsFirst(diffusion.posteriorLatents(moments, { latentScale }), sizes),
    sample: diffusion.channelsFirst(
      diffusion.posteriorLatents(moments, { latentScale, noise }),
      sizes,
    ),
  };
}

async function* latentRows({ context, file }: Edit, latents: ClipLatents): Rows {
  for (const kind of ["mean", "sample"] as const) {
    const name = `latents_${kind}`;
    if (!file.has(name)) continue;
    const error = relativeError(latents[kind], await file.values(name));
    yield measuredRow(context, { group, name, quantity: [/^clip latents/], error });
  }
}

async function invertedLast(
  all: Edit,
  options: { readonly start: Float32Array; readonly samplingCount: number },
): Promise<Float32Array> {
  const trajectory = await invertedSteps(all, options);
  return trajectory.at(-1) ?? options.start;
}

async function invertedSteps(
  { context, edit, predict, embed }: Edit,
  options: { readonly start: Float32Array; readonly samplingCount: number },
): Promise<readonly Float32Array[]> {
  const prompt = await embed(edit.inversionPrompt);
  return invertedTrajectory(context.model.schedule, { ...options, prompt, predict });
}

/** Inversion from the stored latents: every iteration where stored, else the last. */
async function* inversionRows(all: Edit, samplingCount: number): Rows {
  const { context, file } = all;
  const start = Float32Array.from(await file.values("latents_sample"));
  const trajectory = await invertedSteps(all, { start, samplingCount });
  const name = `inversion${samplingCount}`;
  const error = await trajectoryError(file, { name, trajectory });
  const quantity = [/^inversion from stored/];
  yield measuredRow(context, { group, name, quantity, error: error.error, detail: error.name });
}

/** The worst error over a stored trajectory; without one, the error of its end. */
async function trajectoryError(
  file: TensorFile,
  options: { readonly name: string; readonly trajectory: readonly Float32Array[] },
): Promise<{ readonly name: string; readonly error: number }> {
  const { name, trajectory } = options;
  if (!file.has(`${name}/latents`)) {
    const last = trajectory.at(-1) ?? new Float32Array();
    return { name: "its end", error: relativeError(last, await file.values(`${name}/last`)) };
  }
  const stored = await file.values(`${name}/latents`);
  const size = stored.length / (file.shape(`${name}/latents`)[0] ?? 1);
  if (stored.length !== size * trajectory.length) return { name, error: Number.NaN };
  return worstOf(
    trajectory.map((latents, i) => {
      const reference = stored.subarray(i * size, (i + 1) * size);
      return [`worst at entry ${i}`, relativeError(latents, reference)];
    }),
  );
}

/** The row of `tolerance.json` for just so many iterations, or for short or long runs. */
function byCount(
  file: TensorFile,
  { run, what, way }: { readonly run: EditRun; readonly what: string; readonly way: string },
): RegExp[] {
  const row = (count: string): RegExp => new RegExp(`^${what}, ${count}, ${way}`);
  const exactly = row(`${run.samplingCount} steps`);
  const general = [row("long"), row("\\d+ steps")];
  // Only short runs are stored with their whole trajectory.
  const isShort = file.has(`${run.key}/latents`);
  return [exactly, ...(isShort ? general.reverse() : general)];
}

async function sampled(
  { context, edit, predict, embed }: Edit,
  { run, start }: { readonly run: EditRun; readonly start: Float32Array },
): Promise<readonly Float32Array[]> {
  return sampledTrajectory(context.model.schedule, {
    start,
    samplingCount: run.samplingCount,
    guidanceScale: run.guidanceScale,
    prompt: await embed(edit.prompt),
    negative: await embed(run.negativePrompt ?? ""),
    predict,
  });
}

/** Sampling from the stored noise, its frames, and the frames of the stored end. */
async function* stageRows(all: Edit, run: EditRun): Rows {
  const { context, file, latentShape: shape } = all;
  const startName = `inversion${run.samplingCount}/last`;
  if (!file.has(startName)) {
    yield skippedRow({ group, name: run.key, reason: `there is no ${startName}` });
    return;
  }
  const start = Float32Array.from(await file.values(startName));
  const trajectory = await sampled(all, { run, start });
  const error = await trajectoryError(file, { name: run.key, trajectory });
  const quantity = byCount(file, { run, what: "sampling", way: "from stored" });
  yield measuredRow(context, {
    group,
    name: `${run.key}/latents`,
    quantity,
    error: error.error,
    detail: error.name,
  });
  const data = trajectory.at(-1) ?? start;
  yield* frameRows(context, file, {
    run,
    frames: await decodedFrames(context, { data, shape }),
    way: "from stored start",
    quantity: byCount(file, { run, what: "frames", way: "from stored" }),
    movedShare: run.movedShare,
  });
  const end = await storedEnd(file, { run, size: start.length });
  yield* frameRows(context, file, {
    run,
    frames: await decodedFrames(context, { data: end, shape }),
    way: "stored latents decoded",
    quantity: [/^decode of stored/],
    movedShare: run.movedShareOfDecoding,
  });
}

async function storedEnd(
  file: TensorFile,
  { run, size }: { readonly run: EditRun; readonly size: number },
): Promise<Float32Array> {
  const name = [`${run.key}/last`, `${run.key}/latents`].find((each) => file.has(each));
  const stored = await file.values(name ?? `${run.key}/last`);
  return Float32Array.from(stored.slice(-size));
}

async function* chainRows(
  all: Edit,
  { run, start }: { readonly run: EditRun; readonly start: Float32Array },
): Rows {
  const { context, file, latentShape: shape } = all;
  const data = (await sampled(all, { run, start })).at(-1) ?? start;
  yield* chainFrameRows(context, file, {
    run,
    frames: await decodedFrames(context, { data, shape }),
    way: "whole chain",
    quantity: byCount(file, { run, what: "frames", way: "whole chain" }),
  });
}
