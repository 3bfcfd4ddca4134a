import type { HostTensor } from "@retake/gpu-node";
import * as tuning from "@retake/model/tuning";
import type { GoldenContext } from "./golden-context.js";
import { jsonNumbers, jsonObject, jsonTexts } from "./json-object.js";
import type { TensorFile } from "./tensor-file.js";
import { type TemporalSet, temporalSet } from "./tunable-tensors.js";

/** One way of tuning, as `tune.json` describes it. */
export interface TuneVariant {
  readonly name: string;
  readonly set: TemporalSet;
  readonly mode: tuning.TuningMode;
  readonly settings: tuning.AdamWSettings;
  readonly normMax: number;
  readonly losses: readonly number[];
  readonly gradientNorms: readonly number[];
  readonly withGradient: readonly string[];
  readonly zeroAtFirst: readonly string[];
  /** Tensors whose gradient is rounding noise: not to be compared. */
  readonly noiseOnly: ReadonlySet<string>;
  /** Lengths of (weight - start) by the number of steps, in the order of `withGradient`. */
  readonly lengths: Readonly<Record<string, readonly number[]>>;
}

/** What all variants are tuned on. */
export interface TuneInputs {
  readonly latents: HostTensor;
  readonly noise: HostTensor;
  readonly timesteps: readonly number[];
  readonly prompt: HostTensor;
  readonly steps: number;
}

/** The variants of `tune.json`. */
export async function readTuneVariants(context: GoldenContext): Promise<readonly TuneVariant[]> {
  const json = jsonObject(await context.folder.json("tune"));
  const optimizer = adamWSettings(json.optimizer);
  return Object.entries(jsonObject(json.variants)).map(([name, value]): TuneVariant => {
    const variant = jsonObject(value);
    const lengths = Object.entries(jsonObject(variant.delta));
    return {
      name,
      set: temporalSet(variant.temporal),
      mode: variant.parity === true ? "reference" : "paper",
      settings: { ...optimizer, learningRate: Number(variant.lr) },
      normMax: Number(variant.clip),
      losses: jsonNumbers(variant.loss),
      gradientNorms: jsonNumbers(variant.grad_norm_before_clip),
      withGradient: jsonTexts(variant.tensors_with_gradient),
      zeroAtFirst: jsonTexts(variant.gradient_exactly_zero_at_step_1),
      noiseOnly: new Set(jsonTexts(variant.gradient_mathematically_zero)),
      lengths: Object.fromEntries(lengths.map(([count, each]) => [count, jsonNumbers(each)])),
    };
  });
}

/** The optimiser's settings; the paper's where the file has none. */
function adamWSettings(json: unknown): tuning.AdamWSettings {
  const { paperAdamW } = tuning;
  const { betas, eps, weight_decay: weightDecay } = jsonObject(json);
  const [beta1 = paperAdamW.beta1, beta2 = paperAdamW.beta2] = jsonNumbers(betas);
  return {
    learningRate: paperAdamW.learningRate,
    beta1,
    beta2,
    epsilon: Number(eps ?? paperAdamW.epsilon),
    weightDecay: Number(weightDecay ?? paperAdamW.weightDecay),
  };
}

/** The injected latents, noise, timesteps and prompt; the first axis counts steps. */
export async function readTuneInputs(file: TensorFile): Promise<TuneInputs> {
  const latents = await file.tensor("in/latents");
  return {
    latents,
    noise: await file.tensor("in/noise"),
    timesteps: Array.from(await file.values("in/timesteps")),
    prompt: await file.tensor("in/text"),
    steps: latents.shape[0] ?? 0,
  };
}

/** One step's part of a tensor whose first axis counts steps. */
export function partOfStep(tensor: HostTensor, step: number): HostTensor {
  const [steps = 1, ...shape] = tensor.shape;
  const size = tensor.data.length / steps;
  return { shape, data: Float32Array.from(tensor.data.subarray(step * size, (step + 1) * size)) };
}
