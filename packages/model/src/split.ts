import * as tf from "@tensorflow/tfjs-core";

/**
 * Cuts a tensor into parts along an axis. One part is the tensor itself: TensorFlow.js has no
 * gradient of a split into one.
 *
 * @param sizes  of the parts along the axis; they add up to its size
 */
export function splitInto(x: tf.Tensor, sizes: readonly number[], axis: number): tf.Tensor[] {
  return sizes.length === 1 ? [x] : tf.split(x, [...sizes], axis);
}
