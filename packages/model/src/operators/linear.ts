import * as tf from "@tensorflow/tfjs-core";
import { assertShape, axesOf } from "../axes.js";
import { runUnaryOperator } from "./operator.js";

export const linearKernel = "RetakeLinear";

/**
 * A linear layer over the last axis, with the weight as checkpoints store it.
 *
 *     y = x W^T + b
 *
 * @param x       `[..., inChannels]`, float32
 * @param weight  `[outChannels, inChannels]`, float32
 * @param bias    `[outChannels]`, float32
 * @returns       `[..., outChannels]`, float32; the caller disposes it
 * @throws ShapeError  if the channels of `x` and `weight` differ
 */
export function linear(x: tf.Tensor, weight: tf.Tensor, bias?: tf.Tensor): tf.Tensor {
  const { out, inner } = axesOf("weight", weight, ["out", "inner"]);
  assertShape("x", x, [...x.shape.slice(0, -1), inner]);
  if (bias !== undefined) assertShape("bias", bias, [out]);
  const rows = x.size / inner;
  const shape = [...x.shape.slice(0, -1), out];
  return tf.tidy(() => {
    const flat = tf.reshape(x, [rows, inner]);
    const inputs = bias === undefined ? { x: flat, weight } : { x: flat, weight, bias };
    const y = runUnaryOperator(linearKernel, inputs, {}, () => {
      const product = tf.matMul(flat, weight, false, true);
      return bias === undefined ? product : tf.add(product, bias);
    });
    return tf.reshape(y, shape);
  });
}

/** Sums over rows, as the gradient of a broadcast bias needs. */
function columnSums(dy: tf.Tensor): tf.Tensor {
  return tf.sum(dy, 0);
}

tf.registerGradient({
  kernelName: linearKernel,
  inputsToSave: ["x", "weight"],
  gradFunc: (dy, saved) => {
    const [x, weight] = saved;
    if (Array.isArray(dy) || x === undefined || weight === undefined) {
      throw new TypeError("linear: expected one output and its saved inputs");
    }
    return {
      x: () => tf.matMul(dy, weight),
      weight: () => tf.matMul(dy, x, true, false),
      bias: () => columnSums(dy),
    };
  },
});
