import * as diffusion from "@retake/model/diffusion";
import { differingCount, relativeError } from "./comparison.js";
import { type GoldenContext, limitedRow, measuredRow, skippedRow } from "./golden-context.js";
import type { Row, Rows } from "./measurement.js";
import type { TensorFile } from "./tensor-file.js";

const group = "schedule";
const stepPattern = /^(?:derived\.)?(v\.)?(ddim|inversion)\.step\.n(\d+)\.t(\d+)\.(prev|x0|next)$/;
const noisingPattern = /^(?:(v\.velocity)|add_noise)\.t(\d+)$/;
const timestepsPattern = /^ddim\.timesteps\.(\d+)$/;
/** Inputs of other cases. */
const inputPattern = /^(batch\.)?(x|z|noise|t|model_output)$/;
/** What we leave out on purpose, and why. */
const leftOut: readonly (readonly [RegExp, string])[] = [
  [/^pndm\./, "PNDM is never used: sampling is DDIM, as in the authors' validation"],
  [/^add_noise_f16\./, "the authors' float16 noising is 7 % off at timestep 0; ours is float32"],
];

/** The noise schedule, its timesteps, and every step on the host. */
export async function* scheduleCases(context: GoldenContext): Rows {
  const file = await context.folder.tensors(group);
  if (file === undefined) {
    yield skippedRow({ group, name: "all", reason: "there is no schedule.safetensors" });
    return;
  }
  for (const name of file.names.filter(context.isWanted)) {
    if (inputPattern.test(name)) continue;
    const reason = leftOut.find(([pattern]) => pattern.test(name))?.[1];
    if (reason === undefined) yield await caseRow(context, file, name);
    else yield skippedRow({ group, name, reason });
  }
}

async function caseRow(context: GoldenContext, file: TensorFile, name: string): Promise<Row> {
  const { schedule } = context.model;
  const reference = await file.values(name);
  const row = (quantity: RegExp, found: Float32Array): Row =>
    measuredRow(context, {
      group,
      name,
      quantity: [quantity],
      error: relativeError(found, reference),
    });
  const timesteps = timestepsPattern.exec(name);
  if (timesteps !== null) {
    const found = diffusion.samplingTimesteps(schedule, Number(timesteps[1]));
    const error = differingCount(found, reference);
    return limitedRow({ group, name, quantity: "timesteps that differ", error });
  }
  if (name === "betas") return row(/^betas/, schedule.betas);
  if (/^(derived\.)?alphas_cumprod/.test(name))
    return row(/^alphas_cumprod/, schedule.alphasCumprod);
  if (stepPattern.test(name)) return row(/step$/, await steppedLatents(context, file, name));
  if (noisingPattern.test(name)) return row(/^add_noise/, await noised(context, file, name));
  if (name === "batch.add_noise") return row(/^add_noise/, await noisedBatch(context, file));
  return skippedRow({ group, name, reason: "nobody knows this case" });
}

/** The schedule with the prediction type that a case is about. */
function scheduleFor(context: GoldenContext, isVelocity: boolean): diffusion.Schedule {
  const predictionType = isVelocity ? "v_prediction" : "epsilon";
  return { ...context.model.schedule, predictionType };
}

async function steppedLatents(
  context: GoldenContext,
  file: TensorFile,
  name: string,
): Promise<Float32Array> {
  const [, velocity, , samplingCount, timestep, result] = stepPattern.exec(name) ?? [];
  const step = {
    latents: Float32Array.from(await file.values("x")),
    prediction: Float32Array.from(await file.values("model_output")),
    timestep: Number(timestep),
    samplingCount: Number(samplingCount),
  };
  const schedule = scheduleFor(context, velocity !== undefined);
  if (result === "prev") return diffusion.denoisedLatents(schedule, step);
  if (result === "x0") return diffusion.impliedLatents(schedule, step);
  return diffusion.invertedLatents(schedule, step);
}

async function noised(
  context: GoldenContext,
  file: TensorFile,
  name: string,
): Promise<Float32Array> {
  const [, velocity, timestep] = noisingPattern.exec(name) ?? [];
  const noising = {
    latents: Float32Array.from(await file.values("z")),
    noise: Float32Array.from(await file.values("noise")),
    timesteps: [Number(timestep)],
  };
  if (velocity === undefined) return diffusion.noisedLatents(scheduleFor(context, false), noising);
  return diffusion.tuningTarget(scheduleFor(context, true), noising);
}

async function noisedBatch(context: GoldenContext, file: TensorFile): Promise<Float32Array> {
  return diffusion.noisedLatents(scheduleFor(context, false), {
    latents: Float32Array.from(await file.values("batch.z")),
    noise: Float32Array.from(await file.values("batch.noise")),
    timesteps: Array.from(await file.values("batch.t")),
  });
}
