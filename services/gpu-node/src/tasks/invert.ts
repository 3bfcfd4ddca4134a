import { firstSamplingIndex, invertedLatents, samplingTimesteps } from "@retake/model/diffusion";
import type { HostTensor } from "../runtime/engine.js";
import { float32Values, hostTensor } from "./host-tensors.js";
import { type LatentsDone, type LatentsListener, resumed } from "./latents-done.js";
import type { Model, TensorSource } from "./open-model.js";
import { type TaskControl, throwIfStopped } from "./task-control.js";
import { type PassHelper, predict } from "./unet-pass.js";

export interface InvertInput {
  /** `[1, channels, frames, height, width]`: the clip's latents, clean. */
  readonly latents: HostTensor;
  /** `[1, promptTokens, channels]`: the empty prompt's embedding. */
  readonly emptyPrompt: HostTensor;
  /** The network: every tensor that the U-Net takes as an input. */
  readonly tensors: TensorSource;
  readonly samplingCount: number;
  /** How far up to go: 1 to the noisiest timestep, 0.5 half way. Default 1. */
  readonly strength?: number | undefined;
  /** Asked before every pass; the result has the same bits. */
  readonly passHelper?: PassHelper | undefined;
  /** What was done of the same inversion before; the result has the same bits. */
  readonly resume?: LatentsDone | undefined;
  /** Called with the latents after each iteration, and waited for; they stay the task's. */
  readonly onLatents?: LatentsListener | undefined;
}

/**
 * The noise that DDIM sampling would turn into the clip: DDIM upwards, with the empty prompt and
 * without guidance.
 *
 * @returns  in the shape of the latents; the caller owns it
 * @throws RetakeError  `bad-option` for a count or strength out of range; `stopped`
 * @source Wu et al. 2023, arXiv:2212.11565, section 4.2; `ddim_loop` in the authors' code
 */
export async function invert(
  model: Model,
  input: InvertInput,
  control: TaskControl = {},
): Promise<HostTensor> {
  const { samplingCount, strength = 1, emptyPrompt, tensors, passHelper } = input;
  const { schedule } = model.files;
  const first = firstSamplingIndex(samplingCount, { strength });
  const upwards = samplingTimesteps(schedule, samplingCount).slice(first).toReversed();
  await model.programs.keepOnly("unet");
  const { latents: begin, done } = resumed(input, { total: upwards.length });
  let latents = begin;
  control.onProgress?.({ done, total: upwards.length });
  for (const [index, timestep] of [...upwards.entries()].slice(done)) {
    throwIfStopped(control, "inverting the clip");
    const question = { latents, timestep, passes: [[emptyPrompt]], tensors, passHelper };
    const [prediction = new Float32Array()] = await predict(model, question, control);
    const step = { latents: float32Values(latents), prediction, timestep, samplingCount };
    latents = hostTensor(latents.shape, invertedLatents(schedule, step));
    const progress = { done: index + 1, total: upwards.length };
    await input.onLatents?.(float32Values(latents), progress);
    control.onProgress?.(progress);
  }
  return latents;
}
