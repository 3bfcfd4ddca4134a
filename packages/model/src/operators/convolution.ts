import * as tf from "@tensorflow/tfjs-core";
import { assertShape, axesOf } from "../axes.js";
import { runUnaryOperator } from "./operator.js";

export const convolutionKernel = "RetakeConvolution";
export const convolutionInputGradientKernel = "RetakeConvolutionInputGradient";
export const convolutionWeightGradientKernel = "RetakeConvolutionWeightGradient";

/** Rows and columns of zeros around the image. */
export interface Padding {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** The same padding on all four sides. */
export function padAll(cells: number): Padding {
  return { top: cells, bottom: cells, left: cells, right: cells };
}

/**
 * A 2D convolution per image, channels first, with the weight as checkpoints store it.
 *
 * Applied to the frames of a clip folded into `images`, it is the inflated (1 x k x k) convolution.
 *
 * @param x       `[images, inChannels, height, width]`, float32
 * @param weight  `[outChannels, inChannels, kernelHeight, kernelWidth]`, float32
 * @param bias    `[outChannels]`, float32
 * @returns       `[images, outChannels, outHeight, outWidth]`, float32; the caller disposes it
 * @throws ShapeError  if channels differ
 * @source Wu et al. 2023, arXiv:2212.11565, `InflatedConv3d` in the authors' code
 */
export function convolution(
  x: tf.Tensor,
  layer: { readonly weight: tf.Tensor; readonly bias: tf.Tensor },
  options: { readonly stride: number; readonly padding: Padding },
): tf.Tensor {
  const { weight, bias } = layer;
  const { out, inner } = axesOf("weight", weight, ["out", "inner", "kernelHeight", "kernelWidth"]);
  const { images, height, width } = axesOf("x", x, ["images", "channels", "height", "width"]);
  assertShape("x", x, [images, inner, height, width]);
  assertShape("bias", bias, [out]);
  const { stride, padding } = options;
  const attributes = { stride, ...padding };
  return runUnaryOperator(convolutionKernel, { x, weight, bias }, attributes, () => {
    const channelsLast = tf.transpose<tf.Tensor4D>(x as tf.Tensor4D, [0, 2, 3, 1]);
    const padded = tf.pad(channelsLast, [
      [0, 0],
      [padding.top, padding.bottom],
      [padding.left, padding.right],
      [0, 0],
    ]);
    const filter = tf.transpose<tf.Tensor4D>(weight as tf.Tensor4D, [2, 3, 1, 0]);
    const y = tf.conv2d(padded as tf.Tensor4D, filter, stride, "valid");
    return tf.transpose(tf.add(y, bias), [0, 3, 1, 2]);
  });
}

tf.registerGradient({
  kernelName: convolutionKernel,
  inputsToSave: ["x", "weight"],
  gradFunc: (dy, saved, attributes) => {
    const [x, weight] = saved;
    if (Array.isArray(dy) || x === undefined || weight === undefined) {
      throw new TypeError("convolution: expected one output and its saved inputs");
    }
    const size = { height: x.shape[2] ?? 0, width: x.shape[3] ?? 0 };
    const kernel = { kernelHeight: weight.shape[2] ?? 0, kernelWidth: weight.shape[3] ?? 0 };
    return {
      x: () =>
        tf
          .engine()
          .runKernel<tf.Tensor>(
            convolutionInputGradientKernel,
            { dy, weight },
            { ...attributes, ...size },
          ),
      weight: () =>
        tf
          .engine()
          .runKernel<tf.Tensor>(
            convolutionWeightGradientKernel,
            { x, dy },
            { ...attributes, ...kernel },
          ),
      bias: () => tf.sum(dy, [0, 2, 3]),
    };
  },
});
