import { ShapeError } from "@retake/errors";
import * as tf from "@tensorflow/tfjs";
import { assertShape, axesOf } from "../axes.js";
import { attention } from "../operators/attention.js";
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
 * @param projections  query, key, value, each `[clips * frames, tokens, channels]`, float32
 * @returns            `[clips * frames, tokens, channels]`, float32; the caller disposes it
 * @throws ShapeError  if the three differ, or the first axis does not divide into clips
 * @source Wu et al. 2023, arXiv:2212.11565, "ST-Attn"; `SparseCausalAttention` in the authors'
 *         code, which attends to the doubled keys
 */
export function sparseCausalAttention(
  projections: Projections,
  options: { readonly frames: number; readonly heads: number },
): tf.Tensor {
  const axes = ["images", "tokens", "channels"] as const;
  const { images, tokens, channels } = axesOf("query", projections.query, axes);
  const { frames, heads } = options;
  if (images % frames !== 0) {
    throw new ShapeError(`query: expected clips of ${frames} frames, got ${images} images`);
  }
  assertShape("key", projections.key, projections.query.shape);
  assertShape("value", projections.value, projections.query.shape);
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

/** Sparse-causal attention within one clip: projections are `[frames, tokens, channels]`. */
function clipAttention(projections: Projections, heads: number): tf.Tensor {
  const [frames = 1, tokens = 1, channels = 1] = projections.query.shape;
  const early = Math.min(frames, earlyFrames);
  const late = frames - early;
  const spared = early * tokens * tokens * heads;
  if (late > 0 && passesOverScores * spared <= cheapPassValuesMax) {
    return undividedAttention(projections, heads);
  }
  const sizes = late > 0 ? [early, late] : [early];
  const [earlyQuery, lateQuery] = splitInto(projections.query, sizes, 0);
  if (earlyQuery === undefined) throw new ShapeError("clipAttention: expected a frame");
  const [key, keys] = contexts(projections.key, late);
  const [value, values] = contexts(projections.value, late);
  const asOne = tf.reshape(earlyQuery, [1, early * tokens, channels]);
  const first = tf.reshape(attention(asOne, { key, value }, heads), earlyQuery.shape);
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
