import type { UNetGradientsSpec } from "@retake/model";
import { noisedLatents, tuningTarget } from "@retake/model/diffusion";
import { createDraw } from "@retake/model/random";
import type { VectorLayout } from "@retake/model/tuning";
import type { HostTensor, HostTensors } from "../runtime/engine.js";
import { type ClipMoments, posteriorOf } from "./encode-clip.js";
import { float32Values, hostTensor, latentSizes } from "./host-tensors.js";
import type { Model } from "./open-model.js";
import { inputsOfPass } from "./unet-pass.js";

/** What stays the same in all draws of a tuning. */
export interface DrawContext {
  readonly moments: ClipMoments;
  /** `[1, promptTokens, channels]`: what the clip shows. */
  readonly prompt: HostTensor;
  readonly layout: VectorLayout;
  readonly seed: number;
  readonly memory: "fast" | "low";
}

/** Names a draw of a tuning; an abandoned step's are not drawn again. */
export interface DrawName {
  readonly attempt: number;
  readonly drawIndex: number;
}

/** The program that computes loss and gradient of a draw. */
export function drawSpec(model: Model, context: DrawContext): UNetGradientsSpec {
  const { moments, prompt, layout, memory } = context;
  const promptTokens = prompt.shape[1] ?? 0;
  const { frames, height, width } = latentSizes(moments.mean);
  return {
    kind: "unet-gradients",
    config: model.files.unetConfig,
    shape: { batch: 1, frames, height, width, promptTokens },
    trainable: layout.entries.map(({ name }) => name),
    memory,
  };
}

/**
 * The inputs of one draw: fresh latents from the posterior, noised to a random timestep. A draw is
 * the unit of tuning work: whoever computes it, on whichever node, gets the same numbers.
 *
 * @param draw  names it
 */
export function drawInputs(model: Model, context: DrawContext, draw: DrawName): HostTensors {
  const { moments, prompt, seed } = context;
  const { schedule } = model.files;
  const latentShape = moments.mean.shape;
  const { timestep, noise, posteriorNoise } = createDraw({
    ...{ seed, step: draw.attempt, drawIndex: draw.drawIndex, latentShape },
    timestepCount: schedule.timestepCount,
  });
  const latents = float32Values(posteriorOf(model, moments, posteriorNoise));
  const noising = { latents, noise, timesteps: [timestep] };
  const noised = hostTensor(latentShape, noisedLatents(schedule, noising));
  const pass = { latents: noised, timestep, prompts: [prompt] };
  const target = hostTensor(latentShape, tuningTarget(schedule, noising));
  return { ...inputsOfPass(model, pass), target };
}

/** The inputs of a tuning's draws, one of which may be made before it is taken. */
export class DrawsAhead {
  readonly #model: Model;
  readonly #context: DrawContext;
  #made: { readonly draw: DrawName; readonly inputs: HostTensors } | undefined;

  constructor(model: Model, context: DrawContext) {
    this.#model = model;
    this.#context = context;
  }

  prepare(draw: DrawName): void {
    this.#made = { draw, inputs: drawInputs(this.#model, this.#context, draw) };
  }

  take(draw: DrawName): HostTensors {
    const { draw: of, inputs } = this.#made ?? {};
    this.#made = undefined;
    if (inputs !== undefined && of?.attempt === draw.attempt && of.drawIndex === draw.drawIndex)
      return inputs;
    return drawInputs(this.#model, this.#context, draw);
  }
}
