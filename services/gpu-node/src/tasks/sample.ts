import { Code, RetakeError } from "@retake/errors";
import {
  denoisedLatents,
  firstSamplingIndex,
  guidedPrediction,
  samplingTimesteps,
} from "@retake/model/diffusion";
import type { HostTensor } from "../runtime/engine.js";
import { float32Values, hostTensor, isFinite32 } from "./host-tensors.js";
import { type LatentsDone, type LatentsListener, resumed } from "./latents-done.js";
import type { Model, TensorSource } from "./open-model.js";
import { type TaskControl, throwIfStopped } from "./task-control.js";
import { type Pass, type PassHelper, predict } from "./unet-pass.js";

/**
 * Has the branch without the prompt computed elsewhere, with the bits that it has here.
 *
 * @returns  waits for the prediction, to be called once the other branch is there: undefined where
 *           nobody gave it; undefined at once where nobody can
 */
export type BranchHelper = (
  pass: Pick<Pass, "latents" | "timestep">,
) => (() => Promise<Float32Array | undefined>) | undefined;

export interface SampleInput {
  /** `[1, channels, frames, height, width]`: noise, as `invert` gives it for the same strength. */
  readonly latents: HostTensor;
  /** `[1, promptTokens, channels]`: what the clip should show. */
  readonly prompt: HostTensor;
  /** As `prompt`: the empty prompt, or what the clip should not show. */
  readonly without: HostTensor;
  /** The network: every tensor that the U-Net takes as an input. */
  readonly tensors: TensorSource;
  readonly samplingCount: number;
  /** 1 is off, and takes one pass an iteration instead of two. */
  readonly guidanceScale: number;
  /** As in `invert`. Default 1. */
  readonly strength?: number | undefined;
  /** Both branches in one pass: faster on some engines, and other bits. Default false. */
  readonly joinBranches?: boolean | undefined;
  /** Asked in every iteration; the result has the same bits. Not with joined branches. */
  readonly branchHelper?: BranchHelper | undefined;
  /** Asked before every pass; the result has the same bits. */
  readonly passHelper?: PassHelper | undefined;
  /** What was done of the same sampling before; the result has the same bits. */
  readonly resume?: LatentsDone | undefined;
  /** Called with the latents after each iteration, and waited for; they stay the task's. */
  readonly onLatents?: LatentsListener | undefined;
}

/**
 * Refuses numbers that sampling and inversion would refuse, before any work is done.
 *
 * @throws RetakeError  `bad-option`
 */
export function checkSampling(
  { schedule }: Pick<Model["files"], "schedule">,
  { samplingCount, strength }: { readonly samplingCount: number; readonly strength: number },
): void {
  samplingTimesteps(schedule, samplingCount);
  firstSamplingIndex(samplingCount, { strength });
}

/**
 * Latents of an edited clip: DDIM downwards with guidance, without added noise.
 *
 * @returns  in the shape of the latents; the caller owns it
 * @throws RetakeError  `bad-option` for numbers out of range; `engine-failed` if the latents grow
 *                      beyond all bounds; `stopped`
 * @source Song et al. 2020, arXiv:2010.02502; Ho and Salimans 2022, arXiv:2207.12598
 */
export async function sample(
  model: Model,
  input: SampleInput,
  control: TaskControl = {},
): Promise<HostTensor> {
  const { samplingCount, strength = 1 } = input;
  const { schedule } = model.files;
  const first = firstSamplingIndex(samplingCount, { strength });
  const downwards = samplingTimesteps(schedule, samplingCount).slice(first);
  await model.programs.keepOnly("unet");
  const { latents: begin, done } = resumed(input, { total: downwards.length });
  let latents = begin;
  control.onProgress?.({ done, total: downwards.length });
  for (const [index, timestep] of [...downwards.entries()].slice(done)) {
    throwIfStopped(control, "sampling");
    const prediction = await guided(model, { ...input, latents, timestep }, control);
    const step = { latents: float32Values(latents), prediction, timestep, samplingCount };
    latents = hostTensor(latents.shape, denoisedLatents(schedule, step));
    const progress = { done: index + 1, total: downwards.length };
    await input.onLatents?.(float32Values(latents), progress);
    control.onProgress?.(progress);
  }
  assertFinite(latents, input);
  return latents;
}

async function guided(
  model: Model,
  input: SampleInput & { readonly timestep: number },
  control: TaskControl,
): Promise<Float32Array> {
  const { prompt, without, guidanceScale, joinBranches = false } = input;
  const branches = async (...passes: HostTensor[][]): Promise<readonly Float32Array[]> => {
    throwIfStopped(control, "sampling");
    return predict(model, { ...input, passes }, control);
  };
  const none = new Float32Array();
  if (guidanceScale === 1) {
    const [only = none] = await branches([prompt]);
    return only;
  }
  const elsewhere = joinBranches ? undefined : input.branchHelper?.(input);
  if (elsewhere !== undefined) {
    const [prompted = none] = await branches([prompt]);
    const base = (await elsewhere()) ?? (await branches([without]))[0] ?? none;
    return guidedPrediction({ without: base, with: prompted }, guidanceScale);
  }
  const passes = joinBranches ? [[without, prompt]] : [[without], [prompt]];
  const [base = none, prompted = none] = await branches(...passes);
  return guidedPrediction({ without: base, with: prompted }, guidanceScale);
}

function assertFinite(latents: HostTensor, { guidanceScale }: SampleInput): void {
  if (isFinite32(float32Values(latents))) return;
  const got = `NaN or infinity with guidance ${guidanceScale}`;
  const message = `sampling: expected finite latents, got ${got}; lower the guidance or the rate`;
  throw new RetakeError(Code.FailedPrecondition, "engine-failed", message);
}
