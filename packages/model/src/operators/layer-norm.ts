import * as tf from "@tensorflow/tfjs-core";
import { assertShape } from "../axes.js";
import { runOperator } from "./operator.js";

export const layerNormKernel = "RetakeLayerNorm";

/** The plain meaning of `layerNorm`: y, and mean and 1/std of each token, `[..., 1]`. */
function plainLayerNorm(
  x: tf.Tensor,
  layer: { readonly gain: tf.Tensor; readonly bias: tf.Tensor },
  eps: number,
): tf.Tensor[] {
  const mean = tf.mean(x, -1, true);
  const centered = tf.sub(x, mean);
  const variance = tf.mean(tf.mul(centered, centered), -1, true);
  const inverseStd = tf.rsqrt(tf.add(variance, eps));
  const y = tf.add(tf.mul(tf.mul(centered, inverseStd), layer.gain), layer.bias);
  return [y, mean, inverseStd];
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
  return tf.tidy(() => {
    // Rows, as in linear layers: between them nothing is reshaped there and back.
    const rows = tf.reshape(x, [-1, gain.size]);
    const plain = (): tf.Tensor => plainLayerNorm(rows, layer, eps)[0] ?? rows;
    const result = runOperator(layerNormKernel, { x: rows, gain, bias }, { eps }, plain);
    return tf.reshape((Array.isArray(result) ? result[0] : result) ?? rows, x.shape);
  });
}

tf.registerGradient({
  kernelName: layerNormKernel,
  inputsToSave: ["x", "gain"],
  outputsToSave: [false, true, true],
  gradFunc: (dys, saved) => {
    const [x, gain, mean, inverseStd] = saved;
    const [dy] = Array.isArray(dys) ? dys : [];
    if (!dy || !x || !gain || !mean || !inverseStd) {
      throw new TypeError("layerNorm: expected three outputs and what was saved");
    }
    const leading = x.shape.slice(0, -1).map((_, axis) => axis);
    const xhat = tf.mul(tf.sub(x, mean), inverseStd);
    return {
      // With xhat the standardized x and g = dy gain: dx = (g - mean(g) - xhat mean(g xhat)) / std
      x: () => {
        const g = tf.mul(dy, gain);
        const alongXhat = tf.mean(tf.mul(g, xhat), -1, true);
        const rest = tf.sub(tf.sub(g, tf.mean(g, -1, true)), tf.mul(xhat, alongXhat));
        return tf.mul(rest, inverseStd);
      },
      gain: () => tf.sum(tf.mul(dy, xhat), leading),
      bias: () => tf.sum(dy, leading),
    };
  },
});
