import type { HostTensor, HostTensors } from "@retake/gpu-node";
import { type UNetGradientsSpec, unetInputTensors } from "@retake/model";
import * as diffusion from "@retake/model/diffusion";
import * as tuning from "@retake/model/tuning";
import { inputsOfPass, shapeOfPass } from "./denoiser.js";
import type { GoldenContext } from "./golden-context.js";
import { outputOf, type RunProgram } from "./golden-model.js";
import { partOfStep, type TuneInputs, type TuneVariant } from "./tune-file.js";

/** What a tuning went through. */
export interface TuneRun {
  readonly losses: readonly number[];
  /** Before clipping. */
  readonly gradientNorms: readonly number[];
  readonly start: ReadonlyMap<string, Float32Array>;
  readonly firstGradients: ReadonlyMap<string, Float32Array>;
  /** By the number of steps. */
  readonly weights: ReadonlyMap<number, ReadonlyMap<string, Float32Array>>;
}

/** The program that a tuning of this mode runs at each step. */
export function gradientsSpec(
  context: GoldenContext,
  inputs: TuneInputs,
  options: Pick<UNetGradientsSpec, "memory"> & { readonly mode: tuning.TuningMode },
): UNetGradientsSpec {
  const { unetConfig: config } = context.model;
  const trainable = tuning.trainableTensors(unetInputTensors(config), options.mode);
  return {
    kind: "unet-gradients",
    config,
    shape: shapeOfPass(partOfStep(inputs.latents, 0), inputs.prompt),
    trainable: trainable.map(({ name }) => name),
    memory: options.memory,
  };
}

/** What one draw of a step is computed from, the tunable tensors left out. */
export function drawInputs(
  context: GoldenContext,
  inputs: TuneInputs,
  step: number,
): { readonly latents: HostTensor; readonly target: HostTensor; readonly timesteps: number[] } {
  const { schedule } = context.model;
  const latents = partOfStep(inputs.latents, step);
  const noise = partOfStep(inputs.noise, step);
  const perStep = inputs.timesteps.length / inputs.steps;
  const timesteps = inputs.timesteps.slice(step * perStep, (step + 1) * perStep);
  const noising = {
    latents: Float32Array.from(latents.data),
    noise: Float32Array.from(noise.data),
    timesteps,
  };
  return {
    latents: { shape: latents.shape, data: diffusion.noisedLatents(schedule, noising) },
    target: { shape: noise.shape, data: diffusion.tuningTarget(schedule, noising) },
    timesteps,
  };
}

/** Loss and gradients of a step. */
export async function runDraw(
  context: GoldenContext,
  inputs: TuneInputs,
  draw: { readonly step: number; readonly tensors: HostTensors; readonly run: RunProgram },
): Promise<HostTensors> {
  const { latents, target, timesteps } = drawInputs(context, inputs, draw.step);
  const { prompt } = inputs;
  const pass = { latents, prompt, timesteps, tensors: draw.tensors };
  return draw.run({ ...inputsOfPass(context.model.unetConfig, pass), target });
}

/** Tunes as a task would: engine for loss and gradients, host for clipping and AdamW. */
export async function runTuning(
  context: GoldenContext,
  inputs: TuneInputs,
  options: { readonly variant: TuneVariant; readonly run: RunProgram },
): Promise<TuneRun> {
  const { variant, run } = options;
  const tensors = context.tensors[variant.set];
  const trainable = tuning.trainableTensors(
    unetInputTensors(context.model.unetConfig),
    variant.mode,
  );
  const layout = tuning.vectorLayout(trainable);
  const dataOf = (from: HostTensors, name: string): Float32Array | undefined => {
    const data = from[name]?.data;
    return data instanceof Float32Array ? data : undefined;
  };
  const start = tuning.packedVector(layout, (name) => dataOf(tensors, name));
  const state = tuning.initialTuningState(start.slice());
  const losses: number[] = [];
  const gradientNorms: number[] = [];
  const weights = new Map<number, ReadonlyMap<string, Float32Array>>();
  let firstGradients: TuneRun["firstGradients"] = new Map();
  for (let step = 0; step < inputs.steps; step += 1) {
    const tuned = tuning.tensorsOfVector(layout, state.weights);
    const now = Object.fromEntries(
      layout.entries.map(({ name, shape }) => [
        name,
        { shape, data: tuned.get(name) ?? new Float32Array() },
      ]),
    );
    const outputs = await runDraw(context, inputs, { step, tensors: { ...tensors, ...now }, run });
    losses.push(outputOf(outputs, "loss")[0] ?? Number.NaN);
    const packed = tuning.packedVector(layout, (name) => dataOf(outputs, `grad/${name}`));
    const sums = [{ firstDraw: 0, drawCount: 1, sum: packed }];
    const gradient = tuning.meanOfDraws(sums, 1);
    if (step === 0) firstGradients = tuning.tensorsOfVector(layout, gradient);
    const norm = tuning.vectorNorm(gradient);
    gradientNorms.push(norm);
    const clipFactor = tuning.clipFactor(norm, { normMax: variant.normMax });
    tuning.applyAdamW(state, { gradient, clipFactor, step }, variant.settings);
    weights.set(step + 1, tuning.tensorsOfVector(layout, state.weights.slice()));
  }
  return {
    losses,
    gradientNorms,
    start: tuning.tensorsOfVector(layout, start),
    firstGradients,
    weights,
  };
}
