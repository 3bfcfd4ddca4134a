import { timestepRows, type UNetShape, type UNetSpec } from "@retake/model";
import { timestepSinusoid } from "@retake/model/diffusion";
import type { FrameShard } from "@retake/model/frames";
import type { Exchanger, HostTensor, HostTensors } from "../runtime/engine.js";
import { float32Values, hostTensor, latentSizes, outputValues } from "./host-tensors.js";
import type { Model, TensorSource } from "./open-model.js";
import type { TaskControl } from "./task-control.js";

/** One question to the U-Net, about one clip. */
export interface Pass {
  /** `[1, channels, frames, height, width]`, float32. */
  readonly latents: HostTensor;
  readonly timestep: number;
  /** `[1, promptTokens, channels]` each; several make a batch over the same latents. */
  readonly prompts: readonly HostTensor[];
}

/**
 * Computes a pass of one prompt together with other nodes, with the bits that it has here.
 *
 * @returns  undefined where nobody helps, at once or after a while
 */
export type PassHelper = (pass: Pass) => Promise<Float32Array | undefined> | undefined;

/** Sizes of the pass, as a program spec wants them. */
export function shapeOfPass(pass: Omit<Pass, "timestep">): UNetShape {
  const { frames, height, width } = latentSizes(pass.latents);
  const promptTokens = pass.prompts[0]?.shape[1] ?? 0;
  return { batch: pass.prompts.length, frames, height, width, promptTokens };
}

/** The program's inputs for a pass, but for its tensors. */
export function inputsOfPass(model: Model, pass: Pass): HostTensors {
  const { unetConfig } = model.files;
  const batch = pass.prompts.length;
  const rows = Array.from({ length: timestepRows(batch) }, () => pass.timestep);
  const sinusoid = timestepSinusoid(unetConfig, rows);
  return {
    latents: stacked(Array.from({ length: batch }, () => pass.latents)),
    prompt: stacked(pass.prompts),
    timestepSinusoid: hostTensor([rows.length, sinusoid.length / rows.length], sinusoid),
  };
}

/**
 * What the U-Net says of the latents: the noise, or with v-prediction the velocity.
 *
 * @param question.passes  the prompts of each pass, as many in every one
 * @returns  one array per prompt, in the layout of the latents, float32; the caller owns them
 */
export async function predict(
  model: Model,
  question: Pick<Pass, "latents" | "timestep"> & {
    readonly passes: readonly (readonly HostTensor[])[];
    /** Every tensor that the program takes as an input: the tuned ones and the temporal norms. */
    readonly tensors: TensorSource;
    /** Asked first. */
    readonly passHelper?: PassHelper | undefined;
  },
  control: TaskControl,
): Promise<readonly Float32Array[]> {
  const { latents, timestep, tensors, passHelper } = question;
  const passes = question.passes.map((prompts): Pass => ({ latents, timestep, prompts }));
  const shared: Float32Array[] = [];
  for (const pass of passHelper === undefined ? [] : passes) {
    const prediction = await passHelper?.(pass);
    if (prediction === undefined) break;
    shared.push(prediction);
  }
  const [first, ...others] = passes.slice(shared.length);
  if (first === undefined) return shared;
  const config = model.files.unetConfig;
  const spec = { kind: "unet", config, shape: shapeOfPass(first) } as const;
  const each = [first, ...others].map((pass) => inputsOfPass(model, pass));
  const outputs = await model.programs.runEach(spec, { fixed: tensors, each }, control);
  const own = outputs.flatMap((output) => {
    const all = outputValues(output, "predictedNoise");
    const size = all.length / first.prompts.length;
    return first.prompts.map((_, item) => all.subarray(item * size, (item + 1) * size));
  });
  return [...shared, ...own];
}

/** One rank's part of a pass whose frames several nodes share. */
export interface FramesPart {
  readonly shard: FrameShard;
  readonly tensors: TensorSource;
}

const specOfPart = (model: Model, pass: Omit<Pass, "timestep"> & FramesPart): UNetSpec => ({
  ...{ kind: "unet", config: model.files.unetConfig, shape: shapeOfPass(pass), shard: pass.shard },
});

/** Loads what a rank's part takes; of the latents, only the shape is read. */
export async function preparedFrames(
  model: Model,
  pass: Omit<Pass, "timestep"> & FramesPart,
): Promise<void> {
  await model.programs.load(specOfPart(model, pass), pass.tensors);
}

/**
 * Computes one rank's part of a pass, while the other ranks compute theirs.
 *
 * @returns  as `predict`, of the whole clip
 */
export async function predictFrames(
  model: Model,
  pass: Pass & FramesPart & { readonly exchange: Exchanger },
  control: TaskControl,
): Promise<Float32Array> {
  const { tensors: fixed, exchange } = pass;
  const inputs = { fixed, each: inputsOfPass(model, pass), exchange };
  const outputs = await model.programs.run(specOfPart(model, pass), inputs, control);
  return outputValues(outputs, "predictedNoise");
}

/** Tensors of a batch of one each, as one batch. */
function stacked(items: readonly HostTensor[]): HostTensor {
  const [first, ...more] = items;
  if (first === undefined || more.length === 0) return first ?? hostTensor([0], new Float32Array());
  const values = items.map(float32Values);
  const data = new Float32Array(values.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of values) {
    data.set(part, at);
    at += part.length;
  }
  return hostTensor([items.length, ...first.shape.slice(1)], data);
}
