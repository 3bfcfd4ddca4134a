import { timestepRows, type UNetShape } from "@retake/model";
import { timestepSinusoid } from "@retake/model/diffusion";
import type { HostTensor, HostTensors } from "../runtime/engine.js";
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

/** Sizes of the pass, as a program spec wants them. */
export function shapeOfPass(pass: Pass): UNetShape {
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
  },
  control: TaskControl,
): Promise<readonly Float32Array[]> {
  const { latents, timestep, tensors } = question;
  const passes = question.passes.map((prompts): Pass => ({ latents, timestep, prompts }));
  const [first] = passes;
  if (first === undefined) return [];
  const config = model.files.unetConfig;
  const spec = { kind: "unet", config, shape: shapeOfPass(first) } as const;
  const each = passes.map((pass) => inputsOfPass(model, pass));
  const outputs = await model.programs.runEach(spec, { fixed: tensors, each }, control);
  return outputs.flatMap((output) => {
    const all = outputValues(output, "predictedNoise");
    const size = all.length / first.prompts.length;
    return first.prompts.map((_, item) => all.subarray(item * size, (item + 1) * size));
  });
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
