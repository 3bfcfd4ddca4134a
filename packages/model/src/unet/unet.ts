import { ShapeError } from "@retake/errors";
import * as tf from "@tensorflow/tfjs";
import { silu } from "../operators/activation.js";
import { captureOutput, recomputeMark, type Scope, within } from "../scope.js";
import type { UNetConfig } from "./config.js";
import { convolution3x3, foldFrames, groupNormLayer, linearLayer, unfoldFrames } from "./layers.js";
import { downsample, resample, resnetBlock, upsample } from "./resnet.js";
import { transformer3d } from "./transformer.js";

/** What flows into every block beside the feature maps. */
interface Conditions {
  readonly timeEmbedding: tf.Tensor;
  readonly prompt: tf.Tensor;
  readonly frames: number;
}

/**
 * The embedding of the timestep.
 *
 *     W2 silu(W1 sinusoid)
 *
 * @param sinusoid  `[rows, blockOutChannels[0]]`, float32
 * @returns         `[rows, 4 * blockOutChannels[0]]`
 */
export function timeEmbedding(scope: Scope, sinusoid: tf.Tensor): tf.Tensor {
  return within(scope, "time_embedding", (inner) =>
    linearLayer(inner, "linear_2", silu(linearLayer(inner, "linear_1", sinusoid))),
  );
}

function resnet(
  scope: Scope,
  name: string,
  config: UNetConfig,
  streams: { readonly x: tf.Tensor; readonly conditions: Conditions },
): tf.Tensor {
  const { frames, timeEmbedding: time } = streams.conditions;
  const options = { groups: config.normGroups, eps: config.normEps, frames };
  return within(scope, name, (inner) =>
    recomputeMark(inner.path, () =>
      resnetBlock(inner, { x: streams.x, timeEmbedding: time }, options),
    ),
  );
}

function transformer(
  scope: Scope,
  name: string,
  config: UNetConfig,
  streams: { readonly x: tf.Tensor; readonly conditions: Conditions; readonly level: number },
): tf.Tensor {
  const { frames, prompt } = streams.conditions;
  const options = { heads: config.heads[streams.level] ?? 1, frames, groups: config.normGroups };
  return within(scope, name, (inner) =>
    recomputeMark(inner.path, () => transformer3d(inner, { x: streams.x, prompt }, options)),
  );
}

/**
 * The middle of the U: resnet, transformer, resnet.
 *
 * @param x  `[clips * frames, channels, height, width]`, float32
 */
export function midBlock(
  scope: Scope,
  config: UNetConfig,
  streams: { readonly x: tf.Tensor; readonly conditions: Conditions },
): tf.Tensor {
  const { conditions } = streams;
  const level = config.blockOutChannels.length - 1;
  let x = resnet(scope, "resnets.0", config, streams);
  x = transformer(scope, "attentions.0", config, { x, conditions, level });
  x = resnet(scope, "resnets.1", config, { x, conditions });
  captureOutput(scope, () => unfoldFrames(x, conditions.frames));
  return x;
}

function downBlock(
  scope: Scope,
  config: UNetConfig,
  streams: { readonly x: tf.Tensor; readonly conditions: Conditions; readonly level: number },
): tf.Tensor[] {
  const { level, conditions } = streams;
  const outputs: tf.Tensor[] = [];
  let { x } = streams;
  for (let layer = 0; layer < config.layersPerBlock; layer += 1) {
    x = resnet(scope, `resnets.${layer}`, config, { x, conditions });
    if (config.downAttention[level] === true) {
      x = transformer(scope, `attentions.${layer}`, config, { x, conditions, level });
    }
    outputs.push(x);
  }
  if (level < config.blockOutChannels.length - 1) {
    const halve = (inner: Scope): tf.Tensor => downsample(inner, x, config.downsamplePadding);
    outputs.push(resample(scope, "downsamplers.0", halve, conditions.frames));
  }
  captureOutput(scope, () => unfoldFrames(lastOf(outputs), conditions.frames));
  return outputs;
}

function upBlock(
  scope: Scope,
  config: UNetConfig,
  streams: {
    readonly x: tf.Tensor;
    readonly skips: tf.Tensor[];
    readonly conditions: Conditions;
    readonly block: number;
  },
): tf.Tensor {
  const { skips, conditions, block } = streams;
  const level = config.blockOutChannels.length - 1 - block;
  let { x } = streams;
  for (let layer = 0; layer <= config.layersPerBlock; layer += 1) {
    const skip = skips.pop();
    if (skip === undefined) throw new ShapeError(`${scope.path}: expected one more skip`);
    x = resnet(scope, `resnets.${layer}`, config, { x: tf.concat([x, skip], 1), conditions });
    if (config.upAttention[block] === true) {
      x = transformer(scope, `attentions.${layer}`, config, { x, conditions, level });
    }
  }
  if (level > 0) {
    const skip = lastOf(skips);
    const size: [number, number] = [skip.shape[2] ?? 1, skip.shape[3] ?? 1];
    const grow = (inner: Scope): tf.Tensor => upsample(inner, x, size);
    x = resample(scope, "upsamplers.0", grow, conditions.frames);
  }
  captureOutput(scope, () => unfoldFrames(x, conditions.frames));
  return x;
}

function lastOf(tensors: readonly tf.Tensor[]): tf.Tensor {
  const last = tensors.at(-1);
  if (last === undefined) throw new ShapeError("expected at least one feature map");
  return last;
}

/**
 * The inflated U-Net: predicts the noise in a clip's latents.
 *
 * @param latents           `[batch, inChannels, frames, height, width]`, float32
 * @param timestepSinusoid  `[rows, blockOutChannels[0]]`, rows >= batch; surplus rows are not used,
 *                          but keep the embedding on one kernel whatever the batch
 * @param prompt            `[batch, promptTokens, crossAttentionDim]`
 * @returns                 `[batch, outChannels, frames, height, width]`; the caller disposes it
 * @source Wu et al. 2023, arXiv:2212.11565; `UNet3DConditionModel` in the authors' code
 */
export function unet(
  scope: Scope,
  config: UNetConfig,
  inputs: {
    readonly latents: tf.Tensor;
    readonly timestepSinusoid: tf.Tensor;
    readonly prompt: tf.Tensor;
  },
): tf.Tensor {
  const [batch = 1, , frames = 1] = inputs.latents.shape;
  const embedded = timeEmbedding(scope, inputs.timestepSinusoid);
  const time = tf.slice(embedded, [0, 0], [batch, -1]);
  within(scope, "time_embedding", (inner) => captureOutput(inner, () => time));
  const conditions: Conditions = { timeEmbedding: time, prompt: inputs.prompt, frames };
  let x = convolution3x3(scope, "conv_in", foldFrames(inputs.latents));
  within(scope, "conv_in", (inner) => captureOutput(inner, () => unfoldFrames(x, frames)));
  const skips = [x];
  config.blockOutChannels.forEach((_, level) => {
    const outputs = within(scope, `down_blocks.${level}`, (inner) =>
      downBlock(inner, config, { x: lastOf(skips), conditions, level }),
    );
    skips.push(...outputs);
  });
  x = within(scope, "mid_block", (inner) =>
    midBlock(inner, config, { x: lastOf(skips), conditions }),
  );
  config.blockOutChannels.forEach((_, block) => {
    x = within(scope, `up_blocks.${block}`, (inner) =>
      upBlock(inner, config, { x, skips, conditions, block }),
    );
  });
  const options = { groups: config.normGroups, eps: config.normEps, frames };
  const normed = silu(groupNormLayer(scope, "conv_norm_out", x, options));
  return unfoldFrames(convolution3x3(scope, "conv_out", normed), frames);
}
