import * as tf from "@tensorflow/tfjs";

const edgeShare = 0.5;
/** How much pictures count against the divergence. */
const pictureWeight = 4;
const divergenceShare = 2e-4;

const meanSquare = (x: tf.Tensor): tf.Tensor => tf.mean(tf.mul(x, x));

/** Differences of neighbours along an axis. */
function differences(x: tf.Tensor, axis: number): tf.Tensor {
  const size = x.shape.map((cells, i) => (i === axis ? cells - 1 : cells));
  const from = (at: number): number[] => x.shape.map((_, i) => (i === axis ? at : 0));
  return tf.sub(tf.slice(x, from(1), size), tf.slice(x, from(0), size));
}

/**
 * How far pictures are from what they should be: their error's square, and that of its edges.
 *
 *     4 (mean(e^2) + (mean((de/dx)^2) + mean((de/dy)^2)) / 2)
 *
 * Magnitudes instead of squares lose what is small and bright: where one pixel of five is a lit
 * window, and the network does not know yet which, the least magnitude is at no window at all.
 *
 * @param pictures  `[pictures, channels, height, width]`, float32
 * @param truth     the same shape
 */
export function pictureLoss(pictures: tf.Tensor, truth: tf.Tensor): tf.Tensor {
  const error = tf.sub(pictures, truth);
  const edges = tf.add(meanSquare(differences(error, 2)), meanSquare(differences(error, 3)));
  return tf.mul(tf.add(meanSquare(error), tf.mul(edges, edgeShare)), pictureWeight);
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
