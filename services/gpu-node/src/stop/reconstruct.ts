import type { HostTensor } from "../runtime/engine.js";
import { invert } from "../tasks/invert.js";
import type { Model, TensorSource } from "../tasks/open-model.js";
import { sample } from "../tasks/sample.js";
import type { TaskControl, TaskProgress } from "../tasks/task-control.js";

export interface ReconstructInput {
  /** `[1, channels, frames, height, width]`: the clip's latents, clean. */
  readonly latents: HostTensor;
  /** `[1, promptTokens, channels]`: what the clip shows. */
  readonly prompt: HostTensor;
  /** As `prompt`: the empty prompt's embedding. */
  readonly emptyPrompt: HostTensor;
  /** The network: every tensor that the U-Net takes as an input. */
  readonly tensors: TensorSource;
  /** Of the inversion and of the sampling each: `reconstructIterations`. */
  readonly samplingCount: number;
  readonly guidanceScale: number;
  readonly strength: number;
  /** As in `sample`. */
  readonly joinBranches?: boolean | undefined;
}

const samplingCountMax = 10;

/** With how few iterations a clip is given back, where its edits take `samplingCount`. */
export function reconstructIterations(samplingCount: number): number {
  return Math.min(samplingCountMax, samplingCount);
}

/**
 * The clip as the network gives it back: inverted, then sampled with its own sentence, as an edit
 * is with another one. How far it is from the clip says how much of it edits will keep.
 *
 * @returns  in the shape of the latents; the caller owns it
 * @throws RetakeError  what `invert` and `sample` throw
 */
export async function reconstruct(
  model: Model,
  input: ReconstructInput,
  control: TaskControl = {},
): Promise<HostTensor> {
  const { latents, prompt, emptyPrompt, guidanceScale, joinBranches } = input;
  const { tensors, samplingCount, strength } = input;
  const way = { tensors, samplingCount, strength };
  // Two halves of one task: each has as many iterations as the other.
  const half = (before: 0 | 1): TaskControl => ({
    ...control,
    onProgress: ({ done, total }: TaskProgress) =>
      control.onProgress?.({ done: before * total + done, total: 2 * total }),
  });
  const noise = await invert(model, { ...way, latents, emptyPrompt }, half(0));
  const sampling = { ...way, latents: noise, prompt, without: emptyPrompt };
  return sample(model, { ...sampling, guidanceScale, joinBranches }, half(1));
}
