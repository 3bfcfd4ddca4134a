import { ShapeError } from "@retake/errors";
import * as tf from "@tensorflow/tfjs";
import { axesOf } from "../axes.js";
import { attention } from "../operators/attention.js";
import { splitInto } from "../split.js";

interface Projections {
  readonly query: tf.Tensor;
  readonly key: tf.Tensor;
  readonly value: tf.Tensor;
}

/**
 * Sparse-causal attention: every frame looks at the tokens of the first frame and of the frame before.
 *
 *     out[f] = attention(query[f], concat(key[0], key[f - 1]), concat(value[0], value[f - 1]))
 *
 * Frames 0 and 1 would see the first frame twice. Doubling every key leaves a softmax as it is, so
 * they look at it once: exact, and half the work.
 *
 * @param projections  query, key, value, each `[clips * frames, tokens, channels]`, float32
 * @returns            `[clips * frames, tokens, channels]`, float32; the caller disposes it
 * @throws ShapeError  if the first axis does not divide into clips
 * @source Wu et al. 2023, arXiv:2212.11565, "ST-Attn"; `SparseCausalAttention` in the authors' code,
 *         which attends to the doubled keys
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
  if (frames === 1) return attention(projections.query, projections, heads);
  const clips = images / frames;
  const byClip = (x: tf.Tensor): tf.Tensor => tf.reshape(x, [clips, frames, tokens, channels]);
  const early = 2;
  const late = frames - early;
  const query = splitInto(byClip(projections.query), late > 0 ? [early, late] : [early], 1);
  const key = contexts(byClip(projections.key), late);
  const value = contexts(byClip(projections.value), late);
  const attend = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Tensor => {
    const batch = (q.shape[0] ?? 1) * (q === query[0] ? 1 : late);
    const flat = (x: tf.Tensor): tf.Tensor => tf.reshape(x, [batch, -1, channels]);
    return attention(flat(q), { key: flat(k), value: flat(v) }, heads);
  };
  const outputs = query.map((part, i) => {
    const k = key[i];
    const v = value[i];
    if (k === undefined || v === undefined) throw new ShapeError("sparseCausalAttention: context");
    return tf.reshape(attend(part, k, v), part.shape);
  });
  return tf.reshape(tf.concat(outputs, 1), [images, tokens, channels]);
}

/**
 * What early and late frames look at: `[clips, 1, tokens, channels]` for frames 0 and 1, and
 * `[clips, late, 2 * tokens, channels]` for the others.
 */
function contexts(x: tf.Tensor, late: number): tf.Tensor[] {
  const [, , tokens, channels] = x.shape;
  if (late === 0) return [tf.slice(x, [0, 0, 0, 0], [-1, 1, -1, -1])];
  const [first, before] = splitInto(x, [1, late, 1], 1);
  if (first === undefined || before === undefined) throw new ShapeError("contexts: three parts");
  const repeated = tf.mul(first, tf.ones([1, late, 1, 1]));
  return [first, tf.concat([repeated, before], 2)].map((part) =>
    tf.reshape(part, [x.shape[0] ?? 1, part.shape[1] ?? 1, -1, channels ?? tokens ?? 1]),
  );
}
