import { cost } from "@retake/compile";
import { type UNetSpec, unetInputTensors } from "@retake/model";
import { compiledGraph } from "../runtime/compiled-graph.js";
import { hostTensor, sizeOf } from "./host-tensors.js";
import type { Model } from "./open-model.js";
import { type TaskControl, throwIfStopped } from "./task-control.js";
import { inputsOfPass } from "./unet-pass.js";

/** Latent cells along the side, and frames, of what is measured. */
const sideMax = 16;
const frames = 2;
/** The first run makes the engine allocate; the fastest of the others counts. */
const runs = 3;

/**
 * How fast this machine computes: a few small passes of the U-Net, which is most of the work of an
 * edit.
 *
 * @param options.side   latent cells along the shorter side of the clip that is meant
 * @param options.nowMs  a clock
 * @returns              floating-point operations per second
 */
export async function measureRate(
  model: Model,
  options: TaskControl & { readonly side: number; readonly nowMs: () => number },
): Promise<number> {
  const { nowMs } = options;
  const { unetConfig, textConfig } = model.files;
  const side = Math.max(1, Math.min(sideMax, Math.floor(options.side)));
  const { promptTokens } = textConfig;
  const shape = { batch: 1, frames, height: side, width: side, promptTokens };
  const spec: UNetSpec = { kind: "unet", config: unetConfig, shape };
  const { flops } = cost(compiledGraph(spec));
  const zeros = (...axes: number[]) => hostTensor(axes, new Float32Array(sizeOf(axes)));
  const fixed = async () =>
    Object.fromEntries(
      unetInputTensors(unetConfig).map(({ name, shape: axes }) => [name, zeros(...axes)]),
    );
  const latents = zeros(1, unetConfig.inChannels, frames, side, side);
  const prompts = [zeros(1, promptTokens, unetConfig.crossAttentionDim)];
  const each = inputsOfPass(model, { latents, timestep: 500, prompts });
  let fastestMs = Number.POSITIVE_INFINITY;
  for (let run = 0; run < runs; run += 1) {
    throwIfStopped(options, "measuring");
    const beganMs = nowMs();
    await model.programs.run(spec, { fixed, each }, options);
    if (run > 0) fastestMs = Math.min(fastestMs, nowMs() - beganMs);
  }
  return (flops * 1000) / fastestMs;
}
