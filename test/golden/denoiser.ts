import type { HostTensor, HostTensors } from "@retake/gpu-node";
import { timestepRows, type UNetConfig, type UNetShape } from "@retake/model";
import * as diffusion from "@retake/model/diffusion";

/** The size of a pass, from its latents and its prompt. */
export function shapeOfPass(latents: HostTensor, prompt: HostTensor): UNetShape {
  const [batch = 0, , frames = 0, height = 0, width = 0] = latents.shape;
  return { batch, frames, height, width, promptTokens: prompt.shape[1] ?? 0 };
}

/** The rows of the time embedding's input: one per item, the last repeated to at least two. */
export function timeRows(
  config: UNetConfig,
  options: { readonly batch: number; readonly timesteps: readonly number[] },
): HostTensor {
  const { batch, timesteps } = options;
  const rows = Array.from(
    { length: timestepRows(batch) },
    (_, row) => timesteps[Math.min(row, timesteps.length - 1)] ?? 0,
  );
  return {
    shape: [rows.length, config.blockOutChannels[0] ?? 0],
    data: diffusion.timestepSinusoid(config, rows),
  };
}

/** Everything that a pass of the U-Net takes. */
export function inputsOfPass(
  config: UNetConfig,
  pass: {
    readonly latents: HostTensor;
    readonly prompt: HostTensor;
    readonly timesteps: readonly number[];
    readonly tensors: HostTensors;
  },
): HostTensors {
  const { latents, prompt, timesteps, tensors } = pass;
  const batch = latents.shape[0] ?? 0;
  const timestepSinusoid = timeRows(config, { batch, timesteps });
  return { ...tensors, latents, prompt, timestepSinusoid };
}
