import { ShapeError } from "@retake/errors";
import * as tf from "@tensorflow/tfjs";
import { assertShape, axesOf } from "../axes.js";
import { runOperator, runUnaryOperator } from "./operator.js";

export const frameMomentsKernel = "RetakeFrameMoments";
export const scaleShiftKernel = "RetakeScaleShift";

const mapAxes = ["images", "channels", "height", "width"] as const;

/**
 * Mean and summed squared distance from it, per image and group of channels: what a node that holds
 * only some frames can tell about them.
 *
 * @param x  `[images, channels, height, width]`, float32
 * @returns  mean and M2, both `[images, groups]`, float32; the caller disposes them
 */
function frameMoments(x: tf.Tensor, groups: number): { mean: tf.Tensor; m2: tf.Tensor } {
  const { images, channels, height, width } = axesOf("x", x, mapAxes);
  const result = runOperator(frameMomentsKernel, { x }, { groups }, () => {
    const grouped = tf.reshape(x, [images, groups, (channels / groups) * height * width]);
    const mean = tf.mean(grouped, 2, true);
    const centered = tf.sub(grouped, mean);
    const m2 = tf.sum(tf.mul(centered, centered), 2);
    return [tf.reshape(mean, [images, groups]), m2];
  });
  const [mean, m2] = Array.isArray(result) ? result : [];
  if (mean === undefined || m2 === undefined) throw new TypeError("frameMoments: two outputs");
  return { mean, m2 };
}

tf.registerGradient({
  kernelName: frameMomentsKernel,
  inputsToSave: ["x"],
  outputsToSave: [true, false],
  gradFunc: (dys, saved, attributes) => {
    const [x, mean] = saved;
    const [dMean, dM2] = Array.isArray(dys) ? dys : [];
    if (x === undefined || mean === undefined || dMean === undefined || dM2 === undefined) {
      throw new TypeError("frameMoments: expected two outputs and what was saved");
    }
    const { images, channels, height, width } = axesOf("x", x, mapAxes);
    const groups = Number(attributes["groups"]);
    const perGroup = (channels / groups) * height * width;
    return {
      // dx = dMean / n + 2 dM2 (x - mean), written as one scale and shift of x per channel
      x: () => {
        const scale = tf.mul(dM2, 2);
        const shift = tf.sub(tf.div(dMean, perGroup), tf.mul(scale, mean));
        const spread = (t: tf.Tensor): tf.Tensor => channelsOfGroups(t, { images, channels });
        return scaleShift(x, spread(scale), spread(shift));
      },
    };
  },
});

/** Repeats a value per group for each of the group's channels: `[images, groups]` to `[images, channels]`. */
function channelsOfGroups(
  perGroup: tf.Tensor,
  size: { readonly images: number; readonly channels: number },
): tf.Tensor {
  const groups = perGroup.shape[1] ?? 1;
  const each = size.channels / groups;
  const spread = tf.mul(tf.reshape(perGroup, [-1, groups, 1]), tf.ones([1, 1, each]));
  return tf.reshape(spread, [-1, size.channels]);
}

/**
 * One multiplication and one addition per channel of each image.
 *
 * @param x      `[images, channels, height, width]`, float32
 * @param scale  `[images, channels]` or `[1, channels]`, float32
 * @param shift  as `scale`
 * @returns      the shape of `x`
 */
export function scaleShift(x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor): tf.Tensor {
  return runUnaryOperator(scaleShiftKernel, { x, scale, shift }, {}, () => {
    const spread = (t: tf.Tensor): tf.Tensor => tf.reshape(t, [...t.shape, 1, 1]);
    return tf.add(tf.mul(x, spread(scale)), spread(shift));
  });
}

tf.registerGradient({
  kernelName: scaleShiftKernel,
  inputsToSave: ["x", "scale"],
  gradFunc: (dy, saved) => {
    const [x, scale] = saved;
    if (Array.isArray(dy) || x === undefined || scale === undefined) {
      throw new TypeError("scaleShift: expected one output and its saved inputs");
    }
    const overImages = (t: tf.Tensor): tf.Tensor =>
      scale.shape[0] === 1 && t.shape[0] !== 1 ? tf.sum(t, 0, true) : t;
    return {
      x: () => tf.mul(dy, tf.reshape(scale, [...scale.shape, 1, 1])),
      scale: () => overImages(tf.sum(tf.mul(dy, x), [2, 3])),
      shift: () => overImages(tf.sum(dy, [2, 3])),
    };
  },
});

/**
 * Normalises groups of channels, over one image or over all frames of a clip.
 *
 *     y = (x - mean) / sqrt(variance + eps) * gain + bias
 *
 * The statistics of a clip are those of its frames, (count, mean, M2) each, combined in frame order:
 * mean = avg(mean_f), M2 = sum(M2_f + n (mean_f - mean)^2). So frames may live on several nodes.
 *
 * @param x        `[images, channels, height, width]`, float32; images = clips x frames, frame fastest
 * @param layer    `gain` and `bias`, `[channels]`, float32
 * @param options  `frames` images share their statistics: 1 normalises every image by itself
 * @returns        the shape of `x`; the caller disposes it
 * @throws ShapeError  if channels do not divide into groups, or images into clips
 * @source Wu & He 2018, arXiv:1803.08494; over frames as `ResnetBlock3D` of the authors' code does;
 *         combination: Chan et al. 1983
 */
export function groupNorm(
  x: tf.Tensor,
  layer: { readonly gain: tf.Tensor; readonly bias: tf.Tensor },
  options: { readonly groups: number; readonly eps: number; readonly frames: number },
): tf.Tensor {
  const { images, channels, height, width } = axesOf("x", x, mapAxes);
  const { groups, eps, frames } = options;
  if (channels % groups !== 0 || images % frames !== 0) {
    throw new ShapeError(
      `x: expected channels in ${groups} groups and images in clips of ${frames} frames, ` +
        `got [${x.shape}]`,
    );
  }
  assertShape("gain", layer.gain, [channels]);
  assertShape("bias", layer.bias, [channels]);
  const clips = images / frames;
  const n = (channels / groups) * height * width;
  const perFrame = frameMoments(x, groups);
  const mean = tf.reshape(perFrame.mean, [clips, frames, groups]);
  const m2 = tf.reshape(perFrame.m2, [clips, frames, groups]);
  const clipMean = tf.mean(mean, 1, true);
  const offset = tf.sub(mean, clipMean);
  const clipM2 = tf.sum(tf.add(m2, tf.mul(tf.mul(offset, offset), n)), 1);
  const inverseStd = tf.rsqrt(tf.add(tf.div(clipM2, n * frames), eps));
  const spread = (t: tf.Tensor): tf.Tensor => channelsOfGroups(t, { images: clips, channels });
  const scale = tf.mul(spread(inverseStd), layer.gain);
  const centre = spread(tf.reshape(clipMean, [clips, groups]));
  const shift = tf.sub(layer.bias, tf.mul(centre, scale));
  if (clips === 1 || frames === 1) return scaleShift(x, scale, shift);
  return scaleShift(x, perImage(scale, frames), perImage(shift, frames));
}

/** Repeats a clip's row for each of its frames: `[clips, channels]` to `[clips * frames, channels]`. */
function perImage(perClip: tf.Tensor, frames: number): tf.Tensor {
  const channels = perClip.shape[1] ?? 1;
  const repeated = tf.mul(tf.reshape(perClip, [-1, 1, channels]), tf.ones([1, frames, 1]));
  return tf.reshape(repeated, [-1, channels]);
}
