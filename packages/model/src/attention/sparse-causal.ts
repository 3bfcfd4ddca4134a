import { ShapeError } from "@retake/errors";
import * as tf from "@tensorflow/tfjs-core";
import { assertShape, axesOf } from "../axes.js";
import { type FrameShard, framesOfShard } from "../frames/frame-shard.js";
import { attention, mayJoinQueries, repeatedContext } from "../operators/attention.js";
import { type FrameHalo, frameHalos } from "../operators/collectives.js";
import { cheapPassValuesMax } from "../operators/operator.js";
import { splitInto } from "../split.js";

interface Projections {
  readonly query: tf.Tensor;
  readonly key: tf.Tensor;
  readonly value: tf.Tensor;
}

/**
 * Sparse-causal attention: a frame looks at the tokens of the first frame and of the one before it.
 *
 *     out[f] = attention(query[f], concat(key[0], key[f - 1]), concat(value[0], value[f - 1]))
 *
 * Frames 0 and 1 would see the first frame twice. Doubling every key leaves a softmax as it is, so
 * they look at it once: exact, and half the work. A clip of one frame is an image: its attention is
 * the 2D network's.
 *
 * @param projections  query, key, value, each `[clips * frames, tokens, channels]`, float32; with a
 *                     `shard`, one clip's frames of one rank
 * @returns            `[clips * frames, tokens, channels]`, float32; the caller disposes it
 * @throws ShapeError  if the three differ, or the first axis does not divide into clips
 * @source Wu et al. 2023, arXiv:2212.11565, "ST-Attn"; `SparseCausalAttention` in the authors'
 *         code, which attends to the doubled keys
 */
export function sparseCausalAttention(
  projections: Projections,
  options: {
    readonly frames: number;
    readonly heads: number;
    readonly shard?: FrameShard | undefined;
  },
): tf.Tensor {
  const axes = ["images", "tokens", "channels"] as const;
  const { images, tokens, channels } = axesOf("query", projections.query, axes);
  const { frames, heads } = options;
  if (images % frames !== 0) {
    throw new ShapeError(`query: expected clips of ${frames} frames, got ${images} images`);
  }
  assertShape("key", projections.key, projections.query.shape);
  assertShape("value", projections.value, projections.query.shape);
  const { shard } = options;
  if (shard !== undefined) return tf.tidy(() => shardAttention(projections, { shard, heads }));
  if (frames === 1) return attention(projections.query, projections, heads);
  const clips = images / frames;
  return tf.tidy(() => {
    const sizes = Array.from({ length: clips }, () => frames);
    const perClip = [projections.query, projections.key, projections.value].map((x) =>
      splitInto(x, sizes, 0),
    );
    const outputs = Array.from({ length: clips }, (_, clip) => {
      const [query, key, value] = perClip.map((parts) => parts[clip]);
      if (!query || !key || !value)
        throw new ShapeError("sparseCausalAttention: a clip is missing");
      return clipAttention({ query, key, value }, heads);
    });
    return tf.reshape(tf.concat(outputs, 0), [images, tokens, channels]);
  });
}

/** How many frames see the first frame only. */
const earlyFrames = 2;
/** About so often scores are passed over, forward and backward together. */
const passesOverScores = 8;

/** Whether a clip's frames look at doubled keys, all at once: where there are few scores. */
function isUndivided(clip: {
  readonly frames: number;
  readonly tokens: number;
  readonly heads: number;
}): boolean {
  const { frames, tokens, heads } = clip;
  const spared = earlyFrames * tokens * tokens * heads;
  return frames > earlyFrames && passesOverScores * spared <= cheapPassValuesMax;
}

/** Sparse-causal attention within one clip: projections are `[frames, tokens, channels]`. */
function clipAttention(projections: Projections, heads: number): tf.Tensor {
  const [frames = 1, tokens = 1, channels = 1] = projections.query.shape;
  const early = Math.min(frames, earlyFrames);
  const late = frames - early;
  if (isUndivided({ frames, tokens, heads })) return undividedAttention(projections, heads);
  const sizes = late > 0 ? [early, late] : [early];
  const [earlyQuery, lateQuery] = splitInto(projections.query, sizes, 0);
  if (earlyQuery === undefined) throw new ShapeError("clipAttention: expected a frame");
  const [firstKey, keys] = contexts(projections.key, late);
  const [firstValue, values] = contexts(projections.value, late);
  const items = mayJoinQueries(tokens) ? 1 : early;
  const joined = tf.reshape(earlyQuery, [items, -1, channels]);
  const [key, value] = [firstKey, firstValue].map((x) => repeatedContext(x, items));
  if (key === undefined || value === undefined) throw new ShapeError("expected keys and values");
  const first = tf.reshape(attention(joined, { key, value }, heads), earlyQuery.shape);
  if (lateQuery === undefined || keys === undefined || values === undefined) return first;
  return tf.concat([first, attention(lateQuery, { key: keys, value: values }, heads)], 0);
}

/** Sparse-causal attention with the doubled keys, all frames at once: fewer nodes, more scores. */
function undividedAttention({ query, key, value }: Projections, heads: number): tf.Tensor {
  const [frames = 1, tokens = 1, channels = 1] = query.shape;
  // Row 2f and the one behind it choose what frame f looks at.
  const choices = Array.from({ length: frames }, (_, f) => [0, Math.max(0, f - 1)]).flat();
  const rows = choices.map((chosen) => Array.from({ length: frames }, (_, f) => +(f === chosen)));
  const selection = tf.tensor2d(rows);
  const context = (x: tf.Tensor): tf.Tensor => {
    const chosen = tf.matMul(selection, tf.reshape(x, [frames, tokens * channels]));
    return tf.reshape(chosen, [frames, 2 * tokens, channels]);
  };
  return attention(query, { key: context(key), value: context(value) }, heads);
}

/**
 * What early and late frames look at: `[1, tokens, channels]`, the first frame, for the early ones;
 * `[late, 2 * tokens, channels]`, the first and the one before, for the late ones.
 */
function contexts(x: tf.Tensor, late: number): readonly [tf.Tensor, tf.Tensor?] {
  const frames = x.shape[0] ?? 1;
  const sizes = late > 0 ? [1, late, 1] : [1, frames - 1].filter((size) => size > 0);
  const [first, before] = splitInto(x, sizes, 0);
  if (first === undefined) throw new ShapeError("contexts: expected a frame");
  if (late === 0 || before === undefined) return [first];
  const repeated = tf.mul(first, tf.ones([late, 1, 1]));
  return [first, tf.concat([repeated, before], 1)];
}

/**
 * Sparse-causal attention of one rank's frames: each frame does what it would do in the whole clip,
 * with the same operands.
 */
function shardAttention(
  projections: Projections,
  { shard, heads }: { readonly shard: FrameShard; readonly heads: number },
): tf.Tensor {
  const halos = frameHalos(projections, shard);
  const { begin, end } = framesOfShard(shard);
  const frames = shard.frameCounts.reduce((sum, count) => sum + count, 0);
  if (isUndivided({ frames, tokens: projections.query.shape[1] ?? 1, heads })) {
    const context = (x: tf.Tensor, halo: FrameHalo): tf.Tensor => doubledKeys(x, halo, begin);
    const key = context(projections.key, halos.key);
    return attention(
      projections.query,
      { key, value: context(projections.value, halos.value) },
      heads,
    );
  }
  if (begin === 0) return clipAttention(projections, heads);
  const early = begin < earlyFrames ? earlyFrames - begin : 0;
  const late = end - begin - early;
  const sizes = [early, late].filter((size) => size > 0);
  const queries = splitInto(projections.query, sizes, 0);
  const outputs = queries.map((query, part) => {
    if (early > 0 && part === 0) {
      return attention(query, { key: halos.key.first, value: halos.value.first }, heads);
    }
    const context = (x: tf.Tensor, { first, before }: FrameHalo): tf.Tensor => {
      const behind = early > 0 ? x : tf.concat([before, x], 0);
      const [seen = behind] = splitInto(behind, [late, 1], 0);
      return tf.concat([tf.mul(first, tf.ones([late, 1, 1])), seen], 1);
    };
    const key = context(projections.key, halos.key);
    return attention(query, { key, value: context(projections.value, halos.value) }, heads);
  });
  return tf.concat(outputs, 0);
}

/** What frames of a rank look at, `[frames, 2 * tokens, channels]`: first and one before. */
function doubledKeys(x: tf.Tensor, halo: FrameHalo, begin: number): tf.Tensor {
  const frames = x.shape[0] ?? 1;
  const [own] = splitInto(x, frames > 1 ? [1, frames - 1] : [1], 0);
  const [others] = splitInto(x, frames > 1 ? [frames - 1, 1] : [1], 0);
  if (own === undefined || others === undefined) throw new ShapeError("doubledKeys: no frame");
  const [first, before] = begin === 0 ? [own, own] : [halo.first, halo.before];
  const behind = frames > 1 ? tf.concat([before, others], 0) : before;
  return tf.concat([tf.mul(first, tf.ones([frames, 1, 1])), behind], 1);
}
