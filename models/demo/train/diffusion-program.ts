import {
  type Program,
  type TensorSpec,
  textTensors,
  timestepRows,
  unetCheckpointTensors,
} from "@retake/model";
import { textEncode, unet } from "@retake/model/network";
import { type VectorLayout, vectorLayout } from "@retake/model/tuning";
import type * as tf from "@tensorflow/tfjs";
import { forwardProgram, gradientProgram, type LossInputs } from "./flat-program.js";
import { noiseLoss } from "./losses.js";
import type { Networks } from "./recipe.js";

/** Sizes of a batch of clips; pictures are clips of one frame. */
export interface BatchShape {
  readonly batch: number;
  readonly frames: number;
  /** Latent cells to a side. */
  readonly side: number;
}

/** The weights that are trained together: those of the U-Net and of the text encoder. */
export function diffusionLayout({ unet: config, text }: Networks): VectorLayout {
  return vectorLayout([...unetCheckpointTensors(config), ...textTensors(text)]);
}

function specsOf({ unet: config, text }: Networks, shape: BatchShape): TensorSpec[] {
  const { batch, frames, side } = shape;
  const latents = [batch, config.inChannels, frames, side, side];
  const sinusoid = [timestepRows(batch), config.blockOutChannels[0] ?? 0];
  return [
    { name: "latents", shape: latents, dtype: "float32" },
    { name: "timestepSinusoid", shape: sinusoid, dtype: "float32" },
    { name: "ids", shape: [batch, text.promptTokens], dtype: "int32" },
    { name: "target", shape: latents, dtype: "float32" },
    { name: "weight", shape: [batch, 1, frames, side, side], dtype: "float32" },
  ];
}

function lossOf({ unet: config, text }: Networks) {
  return ({ scope, input }: LossInputs): tf.Tensor => {
    const predicted = unet(scope, config, {
      latents: input("latents"),
      timestepSinusoid: input("timestepSinusoid"),
      prompt: textEncode(scope, input("ids"), text),
    });
    return noiseLoss(predicted, { target: input("target"), weight: input("weight") });
  };
}

/**
 * Loss and gradient of a batch: the prompt is read, and the noise in the latents predicted. The
 * U-Net has no temporal layers: over several frames it is the inflated network before any tuning.
 *
 * In: `weights`; `latents` `[batch, channels, frames, side, side]`, noised; `timestepSinusoid`;
 * `ids` `[batch, promptTokens]`; `target`, as the latents; `weight`
 * `[batch, 1, frames, side, side]`.
 */
export function diffusionProgram(
  layout: VectorLayout,
  networks: Networks,
  shape: BatchShape,
): Program {
  return gradientProgram(layout, specsOf(networks, shape), lossOf(networks));
}

/** The loss alone, as `error`. */
export function diffusionErrorProgram(
  layout: VectorLayout,
  networks: Networks,
  shape: BatchShape,
): Program {
  const loss = lossOf(networks);
  return forwardProgram(layout, specsOf(networks, shape), (from) => ({ error: loss(from) }));
}
