import { ShapeError } from "@retake/errors";
import * as tf from "@tensorflow/tfjs-core";
import { assertShard, type FrameShard, framesOfShard } from "../frames/frame-shard.js";
import { silu } from "../operators/activation.js";
import { gatheredFrames } from "../operators/collectives.js";
import { captureOutput, recomputeMark, type Scope, within } from "../scope.js";
import type { UNetConfig } from "./config.js";
import { convolution3x3, foldFrames, groupNormLayer, linearLayer, unfoldFrames } from "./layers.js";
import { downsample, resample, resnetBlock, upsample } from "./resnet.js";
import { transformer3d } from "./transformer.js";

/** What flows into every block beside the feature maps. */
interface Conditions {
  readonly timeEmbedding: tf.Tensor;
  readonly prompt: tf.Tensor;
  /** Of a clip; with a shard, of this rank. */
  readonly frames: number;
  readonly shard?: FrameShard | undefined;
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
  const { frames, shard, timeEmbedding: time } = streams.conditions;
  const options = { groups: config.normGroups, eps: config.normEps, frames, shard };
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
  const { frames, shard, prompt } = streams.conditions;
  const heads = config.heads[streams.level] ?? 1;
  const options = { heads, frames, shard, groups: config.normGroups };
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

/** The latents that this rank computes: all of them, or its frames. */
function ownFrames(inputs: {
  readonly latents: tf.Tensor;
  readonly shard?: FrameShard | undefined;
}): { readonly latents: tf.Tensor; readonly batch: number; readonly frames: number } {
  const { latents, shard } = inputs;
  const [batch = 1, channels = 1, frames = 1, height = 1, width = 1] = latents.shape;
  if (shard === undefined) return { latents, batch, frames };
  assertShard(shard, { batch, frames });
  const { begin, end } = framesOfShard(shard);
  const size = [batch, channels, end - begin, height, width];
  return { latents: tf.slice(latents, [0, 0, begin, 0, 0], size), batch, frames: end - begin };
}

/** `[frames, channels, height, width]` of each rank to a clip, `[1, channels, frames, ...]`. */
function wholeClip(maps: tf.Tensor, shard: FrameShard): tf.Tensor {
  const [frames = 1, channels = 1, height = 1, width = 1] = maps.shape;
  const all = gatheredFrames(tf.reshape(maps, [frames, channels, height * width]), shard);
  const [total = 1] = all.shape;
  return unfoldFrames(tf.reshape(all, [total, channels, height, width]), total);
}

/**
 * The inflated U-Net: predicts the noise in a clip's latents.
 *
 * @param latents           `[batch, inChannels, frames, height, width]`, float32
 * @param timestepSinusoid  `[rows, blockOutChannels[0]]`, rows >= batch; surplus rows are not used,
 *                          but keep the embedding on one kernel whatever the batch
 * @param prompt            `[batch, promptTokens, crossAttentionDim]`
 * @param shard             the frames that this rank computes, of one clip; inputs and result are
 *                          the whole clip's all the same
 * @returns                 `[batch, outChannels, frames, height, width]`; the caller disposes it
 * @throws ShapeError  for a shard that does not divide the clip
 * @source Wu et al. 2023, arXiv:2212.11565; `UNet3DConditionModel` in the authors' code
 */
export function unet(
  scope: Scope,
  config: UNetConfig,
  inputs: {
    readonly latents: tf.Tensor;
    readonly timestepSinusoid: tf.Tensor;
    readonly prompt: tf.Tensor;
    readonly shard?: FrameShard | undefined;
  },
): tf.Tensor {
  const { shard } = inputs;
  const { latents, batch, frames } = ownFrames(inputs);
  const embedded = timeEmbedding(scope, inputs.timestepSinusoid);
  const time = tf.slice(embedded, [0, 0], [batch, -1]);
  within(scope, "time_embedding", (inner) => captureOutput(inner, () => time));
  const conditions: Conditions = { timeEmbedding: time, prompt: inputs.prompt, frames, shard };
  let x = convolution3x3(scope, "conv_in", foldFrames(latents));
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
  const options = { groups: config.normGroups, eps: config.normEps, frames, shard };
  const normed = silu(groupNormLayer(scope, "conv_norm_out", x, options));
  const maps = convolution3x3(scope, "conv_out", normed);
  return shard === undefined ? unfoldFrames(maps, frames) : wholeClip(maps, shard);
}
