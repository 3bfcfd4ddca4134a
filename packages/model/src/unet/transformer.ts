import { ShapeError } from "@retake/errors";
import * as tf from "@tensorflow/tfjs-core";
import { sparseCausalAttention } from "../attention/sparse-causal.js";
import { axesOf } from "../axes.js";
import { type FrameShard, framesOfShard } from "../frames/frame-shard.js";
import { gelu } from "../operators/activation.js";
import { attention, mayJoinQueries, repeatedContext } from "../operators/attention.js";
import { framesToSites, gatheredFrames, sitesToFrames } from "../operators/collectives.js";
import { linear } from "../operators/linear.js";
import { captureOutput, type Scope, weightOf, within } from "../scope.js";
import {
  convolution1x1,
  groupNormLayer,
  layerNormLayer,
  linearLayer,
  unfoldFrames,
} from "./layers.js";

/** What a transformer must know of its surroundings. */
export interface TransformerOptions {
  readonly heads: number;
  /** Of a clip; with a shard, of this rank. */
  readonly frames: number;
  readonly groups: number;
  readonly shard?: FrameShard | undefined;
}

const tokenAxes = ["images", "tokens", "channels"] as const;

/**
 * Self-attention over space in which each frame sees the first frame and the one before.
 *
 * @param tokens  `[clips * frames, tokens, channels]`, float32, already normalised
 * @returns       the same shape, before the residual is added
 */
export function spatialAttention(
  scope: Scope,
  tokens: tf.Tensor,
  options: TransformerOptions,
): tf.Tensor {
  const context = sparseCausalAttention(
    {
      query: linearLayer(scope, "to_q", tokens),
      key: linearLayer(scope, "to_k", tokens),
      value: linearLayer(scope, "to_v", tokens),
    },
    options,
  );
  const y = linearLayer(scope, "to_out.0", context);
  captureOutput(scope, () => y);
  return y;
}

/**
 * Attention of every token to the prompt. The frames of a clip share the prompt, so its keys and
 * values are computed once, and all frames query them as one longer sequence where they may.
 *
 * @param tokens  `[images, tokens, channels]`, float32, already normalised
 * @param prompt  `[prompts, promptTokens, crossAttentionDim]`; prompts divide images
 * @returns       the shape of `tokens`, before the residual is added
 */
export function promptAttention(
  scope: Scope,
  streams: { readonly tokens: tf.Tensor; readonly prompt: tf.Tensor },
  heads: number,
): tf.Tensor {
  const { images, tokens: count, channels } = axesOf("tokens", streams.tokens, tokenAxes);
  const { prompts } = axesOf("prompt", streams.prompt, ["prompts", "promptTokens", "width"]);
  if (images % prompts !== 0) {
    throw new ShapeError(`prompt: expected a divisor of ${images} images, got ${prompts}`);
  }
  const query = linearLayer(scope, "to_q", streams.tokens);
  const frames = mayJoinQueries(count) ? 1 : images / prompts;
  const joined = tf.reshape(query, [prompts * frames, -1, channels]);
  const [key, value] = ["to_k", "to_v"].map((name) =>
    repeatedContext(linearLayer(scope, name, streams.prompt), frames),
  );
  if (key === undefined || value === undefined) throw new ShapeError("expected keys and values");
  const context = tf.reshape(attention(joined, { key, value }, heads), query.shape);
  const y = linearLayer(scope, "to_out.0", context);
  captureOutput(scope, () => y);
  return y;
}

/**
 * Attention of every site to the same site of all frames: both directions, no positions.
 *
 * @param sites  `[clips * tokens, frames, channels]`, float32, already normalised
 * @returns      the same shape, before the residual is added
 */
export function temporalAttention(scope: Scope, sites: tf.Tensor, heads: number): tf.Tensor {
  const key = linearLayer(scope, "to_k", sites);
  const value = linearLayer(scope, "to_v", sites);
  const context = attention(linearLayer(scope, "to_q", sites), { key, value }, heads);
  const y = linearLayer(scope, "to_out.0", context);
  captureOutput(scope, () => y);
  return y;
}

/**
 * The feed-forward network with GEGLU.
 *
 *     W2 (value * gelu(gate)),  value and gate being the halves of W1 x
 *
 * The two halves are computed by two products with the halves of the stored weight: slicing a
 * weight is free, slicing its result is not.
 *
 * @param tokens  `[..., channels]`, float32, already normalised
 * @returns       the same shape, before the residual is added
 * @source Shazeer 2020, arXiv:2002.05202
 */
export function feedForward(scope: Scope, tokens: tf.Tensor): tf.Tensor {
  const hidden = within(scope, "net.0.proj", (layer) => {
    const [valueWeight, gateWeight] = tf.split(weightOf(layer, "weight"), 2, 0);
    const [valueBias, gateBias] = tf.split(weightOf(layer, "bias"), 2, 0);
    if (valueWeight === undefined || gateWeight === undefined) throw new ShapeError("two halves");
    const value = linear(tokens, valueWeight, valueBias);
    return tf.mul(value, gelu(linear(tokens, gateWeight, gateBias)));
  });
  const y = linearLayer(scope, "net.2", hidden);
  captureOutput(scope, () => y);
  return y;
}

/**
 * Temporal attention with its norm in front and its residual behind.
 *
 * Ranks that share a clip's frames exchange them for some sites of all frames, and back; where
 * there are fewer sites than ranks, each computes all sites.
 *
 * @param tokens  `[clips * frames, tokens, channels]`, float32
 * @returns       `[clips * tokens, frames, channels]`
 */
function temporalResidual(
  scope: Scope,
  tokens: tf.Tensor,
  { frames, heads, shard }: TransformerOptions,
): tf.Tensor {
  const attended = (framesFirst: tf.Tensor): tf.Tensor => {
    const sites = tf.reshape(framesFirst, [-1, ...framesFirst.shape.slice(2)]);
    if (scope.find("attn_temp.to_q.weight") === undefined) return sites;
    const temporal = within(scope, "attn_temp", (inner) =>
      temporalAttention(inner, layerNormLayer(scope, "norm_temp", sites), heads),
    );
    return tf.add(sites, temporal);
  };
  const { images, tokens: count, channels } = axesOf("tokens", tokens, tokenAxes);
  if (shard === undefined) {
    const byClip = tf.reshape(tokens, [images / frames, frames, count, channels]);
    return attended(tf.transpose(byClip, [0, 2, 1, 3]));
  }
  const sitesOf = (all: tf.Tensor): tf.Tensor => tf.transpose(all, [1, 0, 2]);
  if (count < shard.frameCounts.length) {
    const all = attended(tf.expandDims(sitesOf(gatheredFrames(tokens, shard)), 0));
    const { begin } = framesOfShard(shard);
    return tf.slice(all, [0, begin, 0], [-1, frames, -1]);
  }
  const own = attended(tf.expandDims(sitesOf(framesToSites(tokens, shard)), 0));
  return sitesOf(sitesToFrames(sitesOf(own), shard, { tokens: count }));
}

/**
 * One transformer block: spatial, prompt, feed-forward, then temporal attention, each with its norm
 * in front and its residual behind. Where the scope has no temporal layers there are none: then it
 * is the block of the 2D network.
 *
 * @param tokens  `[clips * frames, tokens, channels]`, float32
 * @param prompt  `[prompts, promptTokens, crossAttentionDim]`
 * @returns       `[clips * tokens, frames, channels]`: sites, for whoever folds them back
 */
export function transformerBlock(
  scope: Scope,
  streams: { readonly tokens: tf.Tensor; readonly prompt: tf.Tensor },
  options: TransformerOptions,
): tf.Tensor {
  const { heads } = options;
  let tokens = streams.tokens;
  const add = (y: tf.Tensor): void => {
    tokens = tf.add(tokens, y);
  };
  const normed = (name: string): tf.Tensor => layerNormLayer(scope, name, tokens);
  add(within(scope, "attn1", (inner) => spatialAttention(inner, normed("norm1"), options)));
  const { prompt } = streams;
  add(
    within(scope, "attn2", (inner) =>
      promptAttention(inner, { tokens: normed("norm2"), prompt }, heads),
    ),
  );
  add(within(scope, "ff", (inner) => feedForward(inner, normed("norm3"))));
  return temporalResidual(scope, tokens, options);
}

/**
 * A transformer on feature maps: norm per frame, 1x1 in, one block, 1x1 out, residual.
 *
 * @param x       `[clips * frames, channels, height, width]`, float32
 * @param prompt  `[prompts, promptTokens, crossAttentionDim]`
 * @returns       the shape of `x`
 * @source `Transformer3DModel` in the authors' code
 */
export function transformer3d(
  scope: Scope,
  streams: { readonly x: tf.Tensor; readonly prompt: tf.Tensor },
  options: TransformerOptions,
): tf.Tensor {
  const { x, prompt } = streams;
  const axes = ["images", "channels", "height", "width"] as const;
  const { images, channels, height, width } = axesOf("x", x, axes);
  const { frames, groups, shard: ofRank } = options;
  const clips = images / frames;
  const normed = groupNormLayer(scope, "norm", x, { groups, eps: 1e-6, frames: 1, ofRank });
  const maps = convolution1x1(scope, "proj_in", normed);
  const flat = tf.reshape(maps, [images, channels, height * width]);
  const tokens = tf.transpose(flat, [0, 2, 1]);
  const sites = within(scope, "transformer_blocks.0", (block) =>
    transformerBlock(block, { tokens, prompt }, options),
  );
  const byClip = tf.reshape(sites, [clips, height * width, frames, channels]);
  const mapsAgain = tf.reshape(tf.transpose(byClip, [0, 2, 3, 1]), x.shape);
  const y = tf.add(convolution1x1(scope, "proj_out", mapsAgain), x);
  captureOutput(scope, () => unfoldFrames(y, frames));
  return y;
}
