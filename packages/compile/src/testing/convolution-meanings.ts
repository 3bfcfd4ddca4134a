import * as tf from "@tensorflow/tfjs";
import type { GraphNode } from "../graph.js";

type Meaning = (
  inputs: readonly tf.Tensor[],
  node: GraphNode,
  shape: readonly number[],
) => tf.Tensor;

/** `matrix x matrix'` for each `x` of a batch. */
function alongBoth(matrix: number[][], x: tf.Tensor): tf.Tensor {
  const one = tf.tensor3d([matrix]);
  return tf.matMul(tf.matMul(one, x), one, false, true);
}

const convolution: Meaning = ([x, weight, bias], { attributes }) => {
  const [top = 0, left = 0, bottom = 0, right = 0] = attributes["pads"] as number[];
  const channelsLast = tf.transpose(x as tf.Tensor, [0, 2, 3, 1]);
  const padded = tf.pad(channelsLast as tf.Tensor4D, [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ]);
  const filter = tf.transpose(weight as tf.Tensor, [2, 3, 1, 0]) as tf.Tensor4D;
  const y = tf.conv2d(padded as tf.Tensor4D, filter, Number(attributes["stride"]), "valid");
  return tf.transpose(tf.add(y, bias as tf.Tensor), [0, 3, 1, 2]);
};

/** The gradient with regard to the input. */
const convolutionInputGradient: Meaning = ([dy, weight], { attributes }, shape) => {
  const [top = 0, left = 0, bottom = 0, right = 0] = attributes["pads"] as number[];
  const channelsLast = tf.transpose(dy as tf.Tensor, [0, 2, 3, 1]) as tf.Tensor4D;
  const filter = tf.transpose(weight as tf.Tensor, [2, 3, 1, 0]) as tf.Tensor4D;
  const [images = 1, channels = 1, height = 1, width = 1] = shape;
  const [down, across] = [height + top + bottom, width + left + right];
  const stride = Number(attributes["stride"]);
  const dx = tf.conv2dTranspose(
    channelsLast,
    filter,
    [images, down, across, channels],
    stride,
    "valid",
  );
  const cut = tf.slice(dx, [0, top, left, 0], [images, height, width, channels]);
  return tf.transpose(cut, [0, 3, 1, 2]);
};

const tileWeights: Meaning = ([weight], { attributes }, shape) => {
  const transform = [
    [1, 0, 0],
    [0.5, 0.5, 0.5],
    [0.5, -0.5, 0.5],
    [0, 0, 1],
  ];
  const kernels = tf.reshape(weight as tf.Tensor, [-1, 3, 3]);
  const tiled = alongBoth(
    transform,
    attributes["isTurned"] === true ? tf.reverse(kernels, [1, 2]) : kernels,
  );
  const values = tf.reshape(tiled, [shape[2] ?? 1, shape[3] ?? 1, 16]);
  return tf.reshape(tf.transpose(values, [2, 0, 1]), [...shape]);
};

const tileInput: Meaning = ([x], _, shape) => {
  const [images = 1, channels = 1, height = 1, width = 1] = x?.shape ?? [];
  const padded = tf.pad(x as tf.Tensor4D, [
    [0, 0],
    [0, 0],
    [1, 1],
    [1, 1],
  ]);
  const tiles: tf.Tensor[] = [];
  for (let row = 0; row < height; row += 2) {
    for (let column = 0; column < width; column += 2) {
      tiles.push(tf.slice(padded, [0, 0, row, column], [images, channels, 4, 4]));
    }
  }
  const transform = [
    [1, 0, -1, 0],
    [0, 1, 1, 0],
    [0, -1, 1, 0],
    [0, 1, 0, -1],
  ];
  const tiled = alongBoth(transform, tf.reshape(tf.stack(tiles, 2), [-1, 4, 4]));
  const values = tf.reshape(tiled, [images, channels, tiles.length, 16]);
  return tf.reshape(tf.transpose(values, [0, 3, 1, 2]), [...shape]);
};

const tileOutput: Meaning = ([product, bias], _, shape) => {
  const [images = 1, out = 1, height = 1, width = 1] = shape;
  const transform = [
    [1, 1, 1, 0],
    [0, 1, -1, -1],
  ];
  const values = tf.transpose(product as tf.Tensor, [0, 2, 3, 1]);
  const results = alongBoth(transform, tf.reshape(values, [-1, 4, 4]));
  const placed = tf.reshape(results, [images * out, height / 2, width / 2, 2, 2]);
  const map = tf.reshape(tf.transpose(placed, [0, 1, 3, 2, 4]), [...shape]);
  return bias === undefined ? map : tf.add(map, tf.reshape(bias, [out, 1, 1]));
};

/** What convolutions mean, as windows and in tiles of 2x2 results. */
export const convolutionMeanings: Readonly<Record<string, Meaning>> = {
  Convolution: convolution,
  ConvolutionInputGradient: convolutionInputGradient,
  TileWeights: tileWeights,
  TileInput: tileInput,
  TileOutput: tileOutput,
};
