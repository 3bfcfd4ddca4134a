import { ShapeError } from "@retake/errors";
import * as tf from "@tensorflow/tfjs-core";
import { assertShape, axesOf } from "../axes.js";
import { type FrameShard, framesOfShard } from "../frames/frame-shard.js";
import { noPlainMeaning, shardAttributes } from "./collectives.js";
import { cheapPassValuesMax, runOperator } from "./operator.js";

export const groupNormKernel = "RetakeGroupNorm";

const mapAxes = ["images", "channels", "height", "width"] as const;

/** Sizes of a norm: `clips` of `frames` images; `count` values make up one group of one frame. */
interface NormSizes {
  readonly clips: number;
  readonly frames: number;
  readonly channels: number;
  readonly cells: number;
  readonly groups: number;
  readonly count: number;
}

function sizesOf(x: tf.Tensor, options: { groups: number; frames: number }): NormSizes {
  const { images, channels, height, width } = axesOf("x", x, mapAxes);
  const { groups, frames } = options;
  if (channels % groups !== 0 || images % frames !== 0) {
    throw new ShapeError(
      `x: expected channels in ${groups} groups and images in clips of ${frames} frames, ` +
        `got [${x.shape}]`,
    );
  }
  const cells = height * width;
  const count = (channels / groups) * cells;
  return { clips: images / frames, frames, channels, cells, groups, count };
}

/** Axes of the maps as they meet one number per channel of a clip. */
interface Meeting {
  readonly maps: readonly number[];
  /** The axes of `maps` that a clip's channel spans. */
  readonly spanned: readonly number[];
  readonly perChannel: readonly number[];
}

/** One clip, and clips of one frame, need no axis of their own: their maps stay as they are. */
function meeting({ clips, frames, channels, cells }: NormSizes, x: tf.Tensor): Meeting {
  if (clips === 1) return { maps: x.shape, spanned: [0, 2, 3], perChannel: [1, channels, 1, 1] };
  if (frames === 1) return { maps: x.shape, spanned: [2, 3], perChannel: [clips, channels, 1, 1] };
  const maps = [clips, frames, channels, cells];
  return { maps, spanned: [1, 3], perChannel: [clips, 1, channels, 1] };
}

/** Repeats a value per group for each of its channels: `[clips, groups]` to `[clips, channels]`. */
function spread(perGroup: tf.Tensor, { clips, groups, channels }: NormSizes): tf.Tensor {
  const column = tf.reshape(perGroup, [clips, groups, 1]);
  const repeated = tf.mul(column, tf.ones([1, 1, channels / groups]));
  return tf.reshape(repeated, [clips, channels]);
}

/** The plain meaning of `groupNorm`: y, and mean and 1/std of each clip and group. */
function plainGroupNorm(
  x: tf.Tensor,
  layer: { readonly gain: tf.Tensor; readonly bias: tf.Tensor },
  options: { readonly groups: number; readonly eps: number; readonly frames: number },
): [tf.Tensor, tf.Tensor, tf.Tensor] {
  const sizes = sizesOf(x, options);
  const { clips, frames, groups, count } = sizes;
  const grouped = tf.reshape(x, [clips, frames, groups, count]);
  const frameMean = tf.mean(grouped, 3, true);
  const centered = tf.sub(grouped, frameMean);
  const frameM2 = tf.sum(tf.mul(centered, centered), 3, true);
  const mean = tf.mean(frameMean, 1, true);
  const offset = tf.sub(frameMean, mean);
  const m2 = tf.sum(tf.add(frameM2, tf.mul(tf.mul(offset, offset), count)), 1, true);
  const inverseStd = tf.rsqrt(tf.add(tf.div(m2, count * frames), options.eps));
  const perClip = (t: tf.Tensor): tf.Tensor => tf.reshape(t, [clips, groups]);
  const { maps, perChannel } = meeting(sizes, x);
  const scale = tf.mul(spread(perClip(inverseStd), sizes), layer.gain);
  const shift = tf.sub(layer.bias, tf.mul(spread(perClip(mean), sizes), scale));
  const scaled = tf.mul(tf.reshape(x, [...maps]), tf.reshape(scale, [...perChannel]));
  const y = tf.reshape(tf.add(scaled, tf.reshape(shift, [...perChannel])), x.shape);
  return [y, perClip(mean), perClip(inverseStd)];
}

/** Whether the maps of all ranks together are small: it must not depend on how many share them. */
function areSmall(x: tf.Tensor, shard: FrameShard | undefined): boolean {
  if (shard === undefined) return x.size <= cheapPassValuesMax;
  const { begin, end } = framesOfShard(shard);
  const frames = shard.frameCounts.reduce((sum, count) => sum + count, 0);
  return x.size * frames <= cheapPassValuesMax * (end - begin);
}

/** Which values of the maps are normalised together. */
export interface GroupNormOptions {
  readonly groups: number;
  readonly eps: number;
  readonly frames: number;
  readonly shard?: FrameShard | undefined;
  readonly ofRank?: FrameShard | undefined;
}

/**
 * Normalises groups of channels, over one image or over all frames of a clip.
 *
 *     y = (x - mean) / sqrt(variance + eps) * gain + bias
 *
 * The statistics of a clip are those of its frames, (count, mean, M2) each, combined in frame
 * order: mean = avg(mean_f), M2 = sum(M2_f + n (mean_f - mean)^2). So frames may live on several
 * nodes.
 *
 * @param x        `[images, channels, height, width]`, float32; images = clips x frames
 * @param layer    `gain` and `bias`, `[channels]`, float32
 * @param options  `frames` images in a row share their statistics: 1 normalises each by itself;
 *                 with a `shard`, `x` is one rank's frames, and all ranks' share them; `ofRank`
 *                 says so of images that are normalised each by itself
 * @returns        the shape of `x`; the caller disposes it
 * @throws ShapeError  if channels do not divide into groups, or images into clips
 * @source Wu & He 2018, arXiv:1803.08494; over frames as `ResnetBlock3D` of the authors' code does;
 *         combination: Chan et al. 1983, "Algorithms for computing the sample variance"
 */
export function groupNorm(
  x: tf.Tensor,
  layer: { readonly gain: tf.Tensor; readonly bias: tf.Tensor },
  options: GroupNormOptions,
): tf.Tensor {
  const { shard, ofRank = shard, ...sizes } = options;
  const { channels } = sizesOf(x, options);
  assertShape("gain", layer.gain, [channels]);
  assertShape("bias", layer.bias, [channels]);
  const isSmall = areSmall(x, ofRank);
  const shared = shard === undefined ? {} : shardAttributes(shard);
  const attributes = { ...sizes, ...shared, isSmall };
  const result = runOperator(groupNormKernel, { x, ...layer }, attributes, () => {
    if (shard !== undefined) noPlainMeaning("groupNorm");
    const [y] = plainGroupNorm(x, layer, options);
    return y;
  });
  const [y] = Array.isArray(result) ? result : [result];
  if (y === undefined) throw new ShapeError("groupNorm: expected an output");
  return y;
}

/** What the gradient is computed from; mean and inverseStd `[clips, groups]`. */
interface Saved {
  readonly x: tf.Tensor;
  readonly gain: tf.Tensor;
  readonly mean: tf.Tensor;
  readonly inverseStd: tf.Tensor;
}

/** Sums over all cells of a clip's channel, `[clips, channels]`. */
function channelSums(t: tf.Tensor, sizes: NormSizes): tf.Tensor {
  const { maps, spanned } = meeting(sizes, t);
  return tf.reshape(tf.sum(tf.reshape(t, [...maps]), [...spanned]), [sizes.clips, sizes.channels]);
}

/**
 * The gradient in the fewest passes, one multiplication of dy and one of x per cell:
 * dx = dy scale + x a + b, with r = 1/std, P = sum(gain dy x) and Q = sum(gain dy) per group of a
 * clip, a = -r^3 (P - mean Q) / n, b = -(r Q / n + a mean).
 */
function gradientInFewPasses(dy: tf.Tensor, saved: Saved, sizes: NormSizes): tf.Tensor {
  const { x, gain, mean, inverseStd } = saved;
  const { clips, frames, channels, groups, count } = sizes;
  const { maps, perChannel } = meeting(sizes, x);
  const asMaps = (t: tf.Tensor): tf.Tensor => tf.reshape(t, [...maps]);
  const perMap = (t: tf.Tensor): tf.Tensor => tf.reshape(t, [...perChannel]);
  const groupSums = (t: tf.Tensor): tf.Tensor =>
    tf.sum(tf.reshape(tf.mul(t, gain), [clips, groups, channels / groups]), 2);
  const q = groupSums(channelSums(dy, sizes));
  const cube = tf.mul(tf.mul(inverseStd, inverseStd), inverseStd);
  const alongX = tf.sub(groupSums(channelSums(tf.mul(dy, x), sizes)), tf.mul(mean, q));
  const a = tf.mul(tf.mul(cube, alongX), -1 / (count * frames));
  const rest = tf.mul(tf.mul(inverseStd, q), -1 / (count * frames));
  const b = tf.sub(rest, tf.mul(a, mean));
  const scale = perMap(tf.mul(spread(inverseStd, sizes), gain));
  const ofX = tf.add(tf.mul(asMaps(x), perMap(spread(a, sizes))), perMap(spread(b, sizes)));
  return tf.reshape(tf.add(tf.mul(asMaps(dy), scale), ofX), x.shape);
}

/**
 * The gradient in the fewest nodes: with xhat the standardised x and g = dy gain,
 * dx = (g - mean(g) - xhat mean(g xhat)) / std.
 */
function gradientInFewNodes(dy: tf.Tensor, saved: Saved, sizes: NormSizes): tf.Tensor {
  const { x, gain, mean, inverseStd } = saved;
  const { clips, frames, channels, groups, count } = sizes;
  const grouped = (t: tf.Tensor): tf.Tensor => tf.reshape(t, [clips, frames, groups, count]);
  const perGroup = (t: tf.Tensor): tf.Tensor => tf.reshape(t, [clips, 1, groups, 1]);
  const meanOf = (t: tf.Tensor): tf.Tensor => tf.mean(t, [1, 3], true);
  const xhat = tf.mul(tf.sub(grouped(x), perGroup(mean)), perGroup(inverseStd));
  const g = grouped(tf.mul(dy, tf.reshape(gain, [1, channels, 1, 1])));
  const rest = tf.sub(tf.sub(g, meanOf(g)), tf.mul(xhat, meanOf(tf.mul(g, xhat))));
  return tf.reshape(tf.mul(rest, perGroup(inverseStd)), x.shape);
}

tf.registerGradient({
  kernelName: groupNormKernel,
  inputsToSave: ["x", "gain"],
  outputsToSave: [false, true, true],
  gradFunc: (dys, saved, attributes) => {
    const [x, gain, mean, inverseStd] = saved;
    const [dy] = Array.isArray(dys) ? dys : [];
    if (!dy || !x || !gain || !mean || !inverseStd) {
      throw new TypeError("groupNorm: expected three outputs and what was saved");
    }
    const options = { groups: Number(attributes.groups), frames: Number(attributes.frames) };
    const sizes = sizesOf(x, options);
    const known = { x, gain, mean, inverseStd };
    return {
      x: () =>
        attributes.isSmall === true
          ? gradientInFewNodes(dy, known, sizes)
          : gradientInFewPasses(dy, known, sizes),
      gain: () => {
        const sumDyX = channelSums(tf.mul(dy, x), sizes);
        const offset = tf.mul(spread(mean, sizes), channelSums(dy, sizes));
        return tf.sum(tf.mul(tf.sub(sumDyX, offset), spread(inverseStd, sizes)), 0);
      },
      bias: () => tf.sum(channelSums(dy, sizes), 0),
    };
  },
});
