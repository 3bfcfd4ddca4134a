import { ShapeError } from "@retake/errors";
import * as tf from "@tensorflow/tfjs-core";
import { axesOf } from "../axes.js";
import { convolution, type Padding, padAll } from "../operators/convolution.js";
import { type GroupNormOptions, groupNorm } from "../operators/group-norm.js";
import { layerNorm } from "../operators/layer-norm.js";
import { linear } from "../operators/linear.js";
import { captureOutput, type Scope, weightOf, within } from "../scope.js";

/**
 * Folds the frames of a video into images, and back: `[batch, channels, frames, height, width]` to
 * `[batch * frames, channels, height, width]`, the frame being the faster index.
 */
export function foldFrames(video: tf.Tensor): tf.Tensor {
  const axes = ["batch", "channels", "frames", "height", "width"] as const;
  const { batch, channels, frames, height, width } = axesOf("video", video, axes);
  return tf.tidy(() => {
    const framesFirst = tf.transpose(video, [0, 2, 1, 3, 4]);
    return tf.reshape(framesFirst, [batch * frames, channels, height, width]);
  });
}

/** The inverse of `foldFrames`. */
export function unfoldFrames(images: tf.Tensor, frames: number): tf.Tensor {
  const axes = ["images", "channels", "height", "width"] as const;
  const { images: count, channels, height, width } = axesOf("images", images, axes);
  if (count % frames !== 0) {
    throw new ShapeError(`images: expected clips of ${frames} frames, got ${count} images`);
  }
  return tf.tidy(() => {
    const byClip = tf.reshape(images, [count / frames, frames, channels, height, width]);
    return tf.transpose(byClip, [0, 2, 1, 3, 4]);
  });
}

/** A linear layer with the weights of scope `name`. */
export function linearLayer(scope: Scope, name: string, x: tf.Tensor): tf.Tensor {
  return within(scope, name, (layer) => linear(x, weightOf(layer, "weight"), layer.find("bias")));
}

/** A convolution with the weights of scope `name`, on images. */
export function convolutionLayer(
  scope: Scope,
  name: string,
  x: tf.Tensor,
  options: { readonly stride?: number; readonly padding: Padding },
): tf.Tensor {
  return within(scope, name, (layer) =>
    convolution(
      x,
      { weight: weightOf(layer, "weight"), bias: weightOf(layer, "bias") },
      { stride: options.stride ?? 1, padding: options.padding },
    ),
  );
}

/** A 3x3 convolution that keeps height and width. */
export function convolution3x3(scope: Scope, name: string, x: tf.Tensor): tf.Tensor {
  return convolutionLayer(scope, name, x, { padding: padAll(1) });
}

/** A 1x1 convolution. */
export function convolution1x1(scope: Scope, name: string, x: tf.Tensor): tf.Tensor {
  return convolutionLayer(scope, name, x, { padding: padAll(0) });
}

/** Group norm with the weights of scope `name`. */
export function groupNormLayer(
  scope: Scope,
  name: string,
  x: tf.Tensor,
  options: GroupNormOptions,
): tf.Tensor {
  return within(scope, name, (layer) =>
    groupNorm(x, { gain: weightOf(layer, "weight"), bias: weightOf(layer, "bias") }, options),
  );
}

/** Layer norm with the weights of scope `name`. */
export function layerNormLayer(scope: Scope, name: string, x: tf.Tensor, eps = 1e-5): tf.Tensor {
  return within(scope, name, (layer) => {
    const affine = { gain: weightOf(layer, "weight"), bias: weightOf(layer, "bias") };
    const y = layerNorm(x, affine, eps);
    captureOutput(layer, () => y);
    return y;
  });
}
