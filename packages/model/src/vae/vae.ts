import * as tf from "@tensorflow/tfjs-core";
import { axesOf } from "../axes.js";
import { silu } from "../operators/activation.js";
import { attention } from "../operators/attention.js";
import { type Scope, within } from "../scope.js";
import {
  convolution1x1,
  convolution3x3,
  convolutionLayer,
  groupNormLayer,
  linearLayer,
} from "../unet/layers.js";
import { resnetBlock, upsample } from "../unet/resnet.js";
import type { VaeConfig } from "./config.js";

const eps = 1e-6;

function resnet(scope: Scope, name: string, x: tf.Tensor, config: VaeConfig): tf.Tensor {
  const options = { groups: config.normGroups, eps, frames: 1 };
  return within(scope, name, (inner) => resnetBlock(inner, { x }, options));
}

/** Single-head self-attention over all cells of an image, with its norm and residual. */
function cellAttention(scope: Scope, x: tf.Tensor, config: VaeConfig): tf.Tensor {
  const axes = ["images", "channels", "height", "width"] as const;
  const { images, channels, height, width } = axesOf("x", x, axes);
  const options = { groups: config.normGroups, eps, frames: 1 };
  const normed = groupNormLayer(scope, "group_norm", x, options);
  const tokens = tf.transpose(tf.reshape(normed, [images, channels, height * width]), [0, 2, 1]);
  const key = linearLayer(scope, "to_k", tokens);
  const value = linearLayer(scope, "to_v", tokens);
  const context = attention(linearLayer(scope, "to_q", tokens), { key, value }, 1);
  const y = tf.transpose(linearLayer(scope, "to_out.0", context), [0, 2, 1]);
  return tf.add(x, tf.reshape(y, x.shape));
}

function midBlock(scope: Scope, input: tf.Tensor, config: VaeConfig): tf.Tensor {
  const x = resnet(scope, "resnets.0", input, config);
  const attended = within(scope, "attentions.0", (inner) => cellAttention(inner, x, config));
  return resnet(scope, "resnets.1", attended, config);
}

function normedOutput(scope: Scope, x: tf.Tensor, config: VaeConfig): tf.Tensor {
  const options = { groups: config.normGroups, eps, frames: 1 };
  return convolution3x3(
    scope,
    "conv_out",
    silu(groupNormLayer(scope, "conv_norm_out", x, options)),
  );
}

/**
 * The encoder: pixels to the moments of the posterior.
 *
 * Its downsampling convolutions pad one row below and one column to the right only.
 *
 * @param pixels  `[images, 3, height, width]`, float32, -1...1
 * @returns       mean and logvar, `[images, latentChannels, height/f, width/f]`, float32, unscaled
 * @source Rombach et al. 2022, arXiv:2112.10752; `AutoencoderKL` of diffusers
 */
export function vaeEncode(
  scope: Scope,
  pixels: tf.Tensor,
  config: VaeConfig,
): { mean: tf.Tensor; logvar: tf.Tensor } {
  const moments = within(scope, "encoder", (encoder) => {
    let x = convolution3x3(encoder, "conv_in", pixels);
    config.blockOutChannels.forEach((_, level) => {
      x = within(encoder, `down_blocks.${level}`, (block) => encoderBlock(block, x, config, level));
    });
    x = within(encoder, "mid_block", (inner) => midBlock(inner, x, config));
    return normedOutput(encoder, x, config);
  });
  const [mean, logvar] = tf.split(convolution1x1(scope, "quant_conv", moments), 2, 1);
  if (mean === undefined || logvar === undefined) throw new TypeError("vaeEncode: two halves");
  return { mean, logvar };
}

function encoderBlock(scope: Scope, input: tf.Tensor, config: VaeConfig, level: number): tf.Tensor {
  let x = input;
  for (let layer = 0; layer < config.layersPerBlock; layer += 1) {
    x = resnet(scope, `resnets.${layer}`, x, config);
  }
  if (level === config.blockOutChannels.length - 1) return x;
  const padding = { top: 0, bottom: 1, left: 0, right: 1 };
  return convolutionLayer(scope, "downsamplers.0.conv", x, { stride: 2, padding });
}

/**
 * The decoder: latents to pixels.
 *
 * @param latents  `[images, latentChannels, height, width]`, float32, divided by the scaling factor
 * @returns        `[images, 3, height*f, width*f]`, float32, about -1...1, not clamped
 */
export function vaeDecode(scope: Scope, latents: tf.Tensor, config: VaeConfig): tf.Tensor {
  const input = convolution1x1(scope, "post_quant_conv", latents);
  return within(scope, "decoder", (decoder) => {
    let x = convolution3x3(decoder, "conv_in", input);
    x = within(decoder, "mid_block", (inner) => midBlock(inner, x, config));
    config.blockOutChannels.forEach((_, block) => {
      x = within(decoder, `up_blocks.${block}`, (inner) => decoderBlock(inner, x, config, block));
    });
    return normedOutput(decoder, x, config);
  });
}

function decoderBlock(scope: Scope, input: tf.Tensor, config: VaeConfig, block: number): tf.Tensor {
  let x = input;
  for (let layer = 0; layer <= config.layersPerBlock; layer += 1) {
    x = resnet(scope, `resnets.${layer}`, x, config);
  }
  if (block === config.blockOutChannels.length - 1) return x;
  return within(scope, "upsamplers.0", (inner) => upsample(inner, x));
}
