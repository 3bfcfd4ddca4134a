import * as tf from "@tensorflow/tfjs";
import { assertShape } from "../axes.js";
import { runUnaryOperator } from "./operator.js";

export const layerNormKernel = "RetakeLayerNorm";

interface Standardized {
  readonly centered: tf.Tensor;
  readonly inverseStd: tf.Tensor;
}

function standardize(x: tf.Tensor, eps: number): Standardized {
  const centered = tf.sub(x, tf.mean(x, -1, true));
  const variance = tf.mean(tf.mul(centered, centered), -1, true);
  return { centered, inverseStd: tf.rsqrt(tf.add(variance, eps)) };
}

/**
 * Normalises every token over its channels.
 *
 *     y = (x - mean) / sqrt(variance + eps) * gain + bias
 *
 * @param x      `[..., channels]`, float32
 * @param layer  `gain` and `bias`, `[channels]`, float32
 * @returns      the shape of `x`; the caller disposes it
 * @throws ShapeError  if the channels differ
 * @source Ba et al. 2016, arXiv:1607.06450
 */
export function layerNorm(
  x: tf.Tensor,
  layer: { readonly gain: tf.Tensor; readonly bias: tf.Tensor },
  eps: number,
): tf.Tensor {
  const { gain, bias } = layer;
  assertShape("gain", gain, x.shape.slice(-1));
  assertShape("bias", bias, x.shape.slice(-1));
  return runUnaryOperator(layerNormKernel, { x, gain, bias }, { eps }, () => {
    const { centered, inverseStd } = standardize(x, eps);
    return tf.add(tf.mul(tf.mul(centered, inverseStd), gain), bias);
  });
}

tf.registerGradient({
  kernelName: layerNormKernel,
  inputsToSave: ["x", "gain"],
  gradFunc: (dy, saved, attributes) => {
    const [x, gain] = saved;
    if (Array.isArray(dy) || x === undefined || gain === undefined) {
      throw new TypeError("layerNorm: expected one output and its saved inputs");
    }
    const leading = x.shape.slice(0, -1).map((_, axis) => axis);
    const eps = Number(attributes.eps);
    return {
      // With xhat the standardized x and g = dy gain: dx = (g - mean(g) - xhat mean(g xhat)) / std
      x: () => {
        const { centered, inverseStd } = standardize(x, eps);
        const xhat = tf.mul(centered, inverseStd);
        const g = tf.mul(dy, gain);
        const alongXhat = tf.mean(tf.mul(g, xhat), -1, true);
        const rest = tf.sub(tf.sub(g, tf.mean(g, -1, true)), tf.mul(xhat, alongXhat));
        return tf.mul(rest, inverseStd);
      },
      gain: () => {
        const { centered, inverseStd } = standardize(x, eps);
        return tf.sum(tf.mul(dy, tf.mul(centered, inverseStd)), leading);
      },
      bias: () => tf.sum(dy, leading),
    };
  },
});
