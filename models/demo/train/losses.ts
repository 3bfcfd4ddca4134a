import * as tf from "@tensorflow/tfjs";

/** Where the absolute value turns into a parabola: far below a step of 8-bit colour. */
const smoothing = 1e-3;
const edgeShare = 0.5;
const divergenceShare = 2e-4;

/** The mean absolute value, smooth at zero: sqrt(x^2 + smoothing^2). */
function meanMagnitude(x: tf.Tensor): tf.Tensor {
  return tf.mean(tf.sqrt(tf.add(tf.mul(x, x), smoothing * smoothing)));
}

/** Differences of neighbours along an axis. */
function differences(x: tf.Tensor, axis: number): tf.Tensor {
  const size = x.shape.map((cells, i) => (i === axis ? cells - 1 : cells));
  const from = (at: number): number[] => x.shape.map((_, i) => (i === axis ? at : 0));
  return tf.sub(tf.slice(x, from(1), size), tf.slice(x, from(0), size));
}

/**
 * How far pictures are from what they should be: their error's magnitude, and that of its edges.
 *
 *     |e| + (|de/dx| + |de/dy|) / 2
 *
 * @param pictures  `[pictures, channels, height, width]`, float32
 * @param truth     the same shape
 */
export function pictureLoss(pictures: tf.Tensor, truth: tf.Tensor): tf.Tensor {
  const error = tf.sub(pictures, truth);
  const edges = tf.add(meanMagnitude(differences(error, 2)), meanMagnitude(differences(error, 3)));
  return tf.add(meanMagnitude(error), tf.mul(edges, edgeShare));
}

/**
 * How far posteriors are from the standard normal, per value, in the share that it counts.
 *
 *     (mean^2 + exp(logvar) - 1 - logvar) / 2
 *
 * @source Kingma and Welling 2013, arXiv:1312.6114, appendix B
 */
export function divergenceLoss(mean: tf.Tensor, logvar: tf.Tensor): tf.Tensor {
  const squares = tf.add(tf.mul(mean, mean), tf.exp(logvar));
  const all = tf.mean(tf.sub(squares, tf.add(logvar, 1)));
  return tf.mul(all, divergenceShare / 2);
}

/**
 * The noise's error, squared, with a weight per cell.
 *
 * @param weight  `[batch, 1, frames, height, width]`, float32: a batch's weights, times channels,
 *                add up to what its items count
 */
export function noiseLoss(
  predicted: tf.Tensor,
  { target, weight }: { readonly target: tf.Tensor; readonly weight: tf.Tensor },
): tf.Tensor {
  const error = tf.sub(predicted, target);
  return tf.sum(tf.mul(tf.mul(error, error), weight));
}
