import * as tf from "@tensorflow/tfjs-core";
import { axesOf } from "../axes.js";
import type { FrameShard } from "../frames/frame-shard.js";
import { silu } from "../operators/activation.js";
import { padAll } from "../operators/convolution.js";
import { captureOutput, type Scope, within } from "../scope.js";
import {
  convolution1x1,
  convolution3x3,
  convolutionLayer,
  groupNormLayer,
  linearLayer,
  unfoldFrames,
} from "./layers.js";

/** Settings of the norms inside: `frames` share their statistics, over all ranks of a shard. */
export interface ResnetOptions {
  readonly groups: number;
  readonly eps: number;
  readonly frames: number;
  readonly shard?: FrameShard | undefined;
}

/**
 * A residual block with the time embedding added between its convolutions.
 *
 * @param x              `[clips * frames, inChannels, height, width]`, float32
 * @param timeEmbedding  `[clips, embeddingChannels]`; left out in the VAE
 * @returns              `[clips * frames, outChannels, height, width]`
 * @source `ResnetBlock3D` in the authors' code: its norms span all frames of a clip
 */
export function resnetBlock(
  scope: Scope,
  streams: { readonly x: tf.Tensor; readonly timeEmbedding?: tf.Tensor },
  options: ResnetOptions,
): tf.Tensor {
  const { x, timeEmbedding } = streams;
  let h = silu(groupNormLayer(scope, "norm1", x, options));
  h = convolution3x3(scope, "conv1", h);
  if (timeEmbedding !== undefined) {
    const shift = linearLayer(scope, "time_emb_proj", silu(timeEmbedding));
    h = addPerClip(h, shift, options.frames);
  }
  h = silu(groupNormLayer(scope, "norm2", h, options));
  h = convolution3x3(scope, "conv2", h);
  const narrow = scope.find("conv_shortcut.weight") === undefined;
  const y = tf.add(narrow ? x : convolution1x1(scope, "conv_shortcut", x), h);
  captureOutput(scope, () => unfoldFrames(y, options.frames));
  return y;
}

/** Adds `[clips, channels]` to every cell of `[clips * frames, channels, height, width]`. */
function addPerClip(x: tf.Tensor, shift: tf.Tensor, frames: number): tf.Tensor {
  const axes = ["images", "channels", "height", "width"] as const;
  const { images, channels, height, width } = axesOf("x", x, axes);
  const clips = images / frames;
  if (clips === 1) return tf.add(x, tf.reshape(shift, [1, channels, 1, 1]));
  const byClip = tf.reshape(x, [clips, frames, channels, height * width]);
  return tf.reshape(tf.add(byClip, tf.reshape(shift, [clips, 1, channels, 1])), x.shape);
}

/**
 * Halves height and width by a strided convolution.
 *
 * @param x  `[images, channels, height, width]`, float32; odd sizes round up
 */
export function downsample(scope: Scope, x: tf.Tensor, padding: number): tf.Tensor {
  return convolutionLayer(scope, "conv", x, { stride: 2, padding: padAll(padding) });
}

/**
 * Repeats rows and columns to a given size, then convolves.
 *
 * @param x     `[images, channels, height, width]`, float32
 * @param size  `[height, width]` to reach; default twice the input's
 */
export function upsample(scope: Scope, x: tf.Tensor, size?: readonly [number, number]): tf.Tensor {
  const { height, width } = axesOf("x", x, ["images", "channels", "height", "width"]);
  const [toHeight, toWidth] = size ?? [2 * height, 2 * width];
  return convolution3x3(scope, "conv", nearest(nearest(x, 2, toHeight), 3, toWidth));
}

/**
 * Nearest-neighbour resampling along one axis: cell i of the result is cell floor(i * from / to).
 * A doubling (with the last cell maybe left out) is a concatenation; any other size a selection.
 */
function nearest(x: tf.Tensor, axis: 2 | 3, to: number): tf.Tensor {
  const from = x.shape[axis] ?? 1;
  if (to === from) return x;
  if (to === 2 * from || to === 2 * from - 1) {
    const column = [...x.shape.slice(0, axis + 1), 1, ...x.shape.slice(axis + 1)];
    const pair = tf.reshape(x, foldedAround(column, axis + 1));
    const doubled = tf.reshape(tf.concat([pair, pair], 1), doubledShape(x.shape, axis));
    return to === 2 * from ? doubled : cropEnd(doubled, axis, to);
  }
  const selection = Array.from({ length: to }, (_, i) => Math.floor((i * from) / to));
  return tf.gather(x, tf.tensor1d(selection, "int32"), axis);
}

/** Shape with everything before `axis` folded into one axis, and everything behind into another. */
function foldedAround(shape: readonly number[], axis: number): [number, number, number] {
  const count = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);
  return [count(shape.slice(0, axis)), 1, count(shape.slice(axis + 1))];
}

function doubledShape(shape: readonly number[], axis: number): number[] {
  return shape.map((size, i) => (i === axis ? 2 * size : size));
}

function cropEnd(x: tf.Tensor, axis: number, to: number): tf.Tensor {
  const begin = x.shape.map(() => 0);
  return tf.slice(
    x,
    begin,
    x.shape.map((size, i) => (i === axis ? to : size)),
  );
}

/** `downsample` and `upsample` inside their module's scope, captured in the authors' axes. */
export function resample(
  scope: Scope,
  name: string,
  call: (inner: Scope) => tf.Tensor,
  frames: number,
): tf.Tensor {
  return within(scope, name, (inner) => {
    const y = call(inner);
    captureOutput(inner, () => unfoldFrames(y, frames));
    return y;
  });
}
