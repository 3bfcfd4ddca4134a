import { noisedLatents, tuningTarget } from "@retake/model/diffusion";
import { createDraw } from "@retake/model/random";
import { packedVector, tensorsOfVector, type VectorLayout } from "@retake/model/tuning";
import type { HostTensor, HostTensors } from "../runtime/engine.js";
import { type ClipMoments, posteriorOf } from "./encode-clip.js";
import { float32Values, hostTensor, outputValues } from "./host-tensors.js";
import type { Model } from "./open-model.js";
import type { TaskControl } from "./task-control.js";
import { inputsOfPass, shapeOfPass } from "./unet-pass.js";

/** What stays the same in all draws of a tuning. */
export interface DrawContext {
  readonly moments: ClipMoments;
  readonly prompt: HostTensor;
  /** All inputs of the program; those of the layout are replaced by `weights`. */
  readonly tensors: HostTensors;
  readonly layout: VectorLayout;
  readonly seed: number;
  readonly memory: "fast" | "low";
}

export interface DrawGradient {
  readonly loss: number;
  /** Float32, in the layout's order; the caller owns it. */
  readonly gradient: Float32Array;
}

/**
 * Loss and gradient of one draw: fresh latents from the posterior, noised to a random timestep. The
 * unit of tuning work: whoever computes it, on whichever node, gets the same numbers.
 *
 * @param draw.weights  the flat vector that is tuned, as it stands
 * @param draw.attempt  names the draws of a step; an abandoned step's are not drawn again
 */
export async function drawGradient(
  model: Model,
  context: DrawContext,
  draw: TaskControl & {
    readonly weights: Float32Array;
    readonly attempt: number;
    readonly drawIndex: number;
  },
): Promise<DrawGradient> {
  const { moments, prompt, layout, seed, memory } = context;
  const { schedule, unetConfig } = model.files;
  const latentShape = moments.mean.shape;
  const { timestep, noise, posteriorNoise } = createDraw({
    ...{ seed, step: draw.attempt, drawIndex: draw.drawIndex, latentShape },
    timestepCount: schedule.timestepCount,
  });
  const latents = float32Values(posteriorOf(model, moments, posteriorNoise));
  const noising = { latents, noise, timesteps: [timestep] };
  const pass = {
    latents: hostTensor(latentShape, noisedLatents(schedule, noising)),
    ...{ timestep, prompts: [prompt] },
    tensors: { ...context.tensors, ...namedTensors(layout, draw.weights) },
  };
  const target = hostTensor(latentShape, tuningTarget(schedule, noising));
  const trainable = layout.entries.map(({ name }) => name);
  const shape = shapeOfPass(pass);
  const spec = { kind: "unet-gradients", config: unetConfig, shape, trainable, memory } as const;
  const outputs = await model.programs.run(spec, { ...inputsOfPass(model, pass), target }, draw);
  const loss = outputValues(outputs, "loss")[0] ?? Number.NaN;
  const gradient = packedVector(layout, (name) => outputValues(outputs, `grad/${name}`));
  return { loss, gradient };
}

/** The tensors of a flat vector, as views. */
export function namedTensors(layout: VectorLayout, vector: Float32Array): HostTensors {
  const views = tensorsOfVector(layout, vector);
  const shapes = new Map(layout.entries.map(({ name, shape }) => [name, shape]));
  return Object.fromEntries(
    [...views].map(([name, data]) => [name, hostTensor(shapes.get(name) ?? [], data)]),
  );
}
