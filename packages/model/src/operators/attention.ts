import { ShapeError } from "@retake/errors";
import * as tf from "@tensorflow/tfjs";
import { axesOf } from "../axes.js";
import { splitInto } from "../split.js";
import { runUnaryOperator } from "./operator.js";

export const attentionKernel = "RetakeAttention";

const tokenAxes = ["batch", "tokens", "channels"] as const;

/** `[batch, tokens, channels]` to `[batch, heads, tokens, headChannels]`. */
function splitHeads(x: tf.Tensor, heads: number): tf.Tensor {
  const { batch, tokens, channels } = axesOf("x", x, tokenAxes);
  return tf.transpose(tf.reshape(x, [batch, tokens, heads, channels / heads]), [0, 2, 1, 3]);
}

/** `[batch, heads, tokens, headChannels]` to `[batch, tokens, channels]`. */
function joinHeads(x: tf.Tensor): tf.Tensor {
  const { batch, heads, tokens, inner } = axesOf("x", x, ["batch", "heads", "tokens", "inner"]);
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch, tokens, heads * inner]);
}

/**
 * Multi-head scaled dot-product attention.
 *
 *     softmax(q k^T / sqrt(headChannels)) v, per head
 *
 * @param query   `[batch, tokens, channels]`, float32
 * @param key     `[batch, contextTokens, channels]`, float32
 * @param value   as `key`
 * @param heads   number of heads; divides channels
 * @returns       `[batch, tokens, channels]`, float32; the caller disposes it
 * @throws ShapeError  if batch or channels differ, or heads do not divide the channels
 * @source Vaswani et al. 2017, arXiv:1706.03762, section 3.2
 */
export function attention(
  query: tf.Tensor,
  context: { readonly key: tf.Tensor; readonly value: tf.Tensor },
  heads: number,
): tf.Tensor {
  const { key, value } = context;
  const q = axesOf("query", query, tokenAxes);
  const k = axesOf("key", key, tokenAxes);
  const v = axesOf("value", value, tokenAxes);
  const fits = q.batch === k.batch && q.batch === v.batch && k.tokens === v.tokens;
  if (!fits || q.channels !== k.channels || q.channels !== v.channels || q.channels % heads !== 0) {
    throw new ShapeError(
      `attention: expected one batch and one width that ${heads} heads divide, ` +
        `got query [${query.shape}], key [${key.shape}], value [${value.shape}]`,
    );
  }
  return runUnaryOperator(attentionKernel, { query, key, value }, { heads }, () => {
    const scale = 1 / Math.sqrt(q.channels / heads);
    const scores = tf.matMul(
      tf.mul(splitHeads(query, heads), scale),
      splitHeads(key, heads),
      false,
      true,
    );
    return joinHeads(tf.matMul(tf.softmax(scores), splitHeads(value, heads)));
  });
}

/** `[batch, heads, tokens, headChannels]` to `[batch * heads, tokens, headChannels]`. */
function foldHeads(x: tf.Tensor): tf.Tensor {
  const { batch, heads, tokens, inner } = axesOf("x", x, ["batch", "heads", "tokens", "inner"]);
  return tf.reshape(x, [batch * heads, tokens, inner]);
}

/** How many scores the backward pass holds at a time: 4 Mi of them, that is 16 MiB. */
const scoresMax = 2 ** 22;

/** Sizes of the parts in which heads are differentiated, so that one part's scores stay below the limit. */
function headParts(heads: number, scoresPerHead: number): number[] {
  const most = Math.min(heads, Math.max(1, Math.floor(scoresMax / scoresPerHead)));
  const full = Array.from({ length: Math.floor(heads / most) }, () => most);
  return heads % most === 0 ? full : [...full, heads % most];
}

/**
 * The three gradients of some heads, with P = softmax(q k^T) computed again instead of kept:
 * dV = P^T dO, dS = P * (dO V^T - rowsum(dO * O)), dQ = dS K, dK = dS^T Q.
 *
 * @param heads  each `[heads, tokens, headChannels]`; `query` already scaled
 * @source Dao et al. 2022, arXiv:2205.14135, appendix B.4: the scores are not kept
 */
function headGradients(heads: {
  readonly query: tf.Tensor;
  readonly key: tf.Tensor;
  readonly value: tf.Tensor;
  readonly output: tf.Tensor;
  readonly dOutput: tf.Tensor;
}): { readonly query: tf.Tensor; readonly key: tf.Tensor; readonly value: tf.Tensor } {
  const { query, key, value, output, dOutput } = heads;
  const probabilities = tf.softmax(tf.matMul(query, key, false, true));
  const dProbabilities = tf.matMul(dOutput, value, false, true);
  const alongOutput = tf.sum(tf.mul(dOutput, output), -1, true);
  const dScores = tf.mul(probabilities, tf.sub(dProbabilities, alongOutput));
  return {
    query: tf.matMul(dScores, key),
    key: tf.matMul(dScores, query, true, false),
    value: tf.matMul(probabilities, dOutput, true, false),
  };
}

/** The gradients of attention, some heads at a time. */
function attentionGradients(
  dy: tf.Tensor,
  saved: { query: tf.Tensor; key: tf.Tensor; value: tf.Tensor; output: tf.Tensor },
  heads: number,
): { query: () => tf.Tensor; key: () => tf.Tensor; value: () => tf.Tensor } {
  const { batch, tokens, channels } = axesOf("query", saved.query, tokenAxes);
  const contextTokens = saved.key.shape[1] ?? 1;
  const inner = channels / heads;
  const scale = 1 / Math.sqrt(inner);
  const sizes = headParts(batch * heads, tokens * contextTokens);
  const parts = (x: tf.Tensor): tf.Tensor[] => splitInto(foldHeads(splitHeads(x, heads)), sizes, 0);
  const query = parts(tf.mul(saved.query, scale));
  const [key, value, output] = [saved.key, saved.value, saved.output].map(parts);
  const gradients = parts(dy).map((dOutput, i) => {
    const [q, k, v, o] = [query[i], key?.[i], value?.[i], output?.[i]];
    if (q === undefined || k === undefined || v === undefined || o === undefined) {
      throw new ShapeError("attention: expected as many parts of each");
    }
    const part = headGradients({ query: q, key: k, value: v, output: o, dOutput });
    // One tensor per part: its scores are done with before those of the next part are computed.
    return tf.concat([part.query, part.key, part.value], 1);
  });
  const counts = [tokens, contextTokens, contextTokens];
  const joined = tf
    .split(tf.concat(gradients, 0), counts, 1)
    .map((folded, i) => joinHeads(tf.reshape(folded, [batch, heads, counts[i] ?? 0, inner])));
  const [dQuery, dKey, dValue] = joined;
  if (dQuery === undefined || dKey === undefined || dValue === undefined) {
    throw new ShapeError("attention: expected three gradients");
  }
  return { query: () => tf.mul(dQuery, scale), key: () => dKey, value: () => dValue };
}

tf.registerGradient({
  kernelName: attentionKernel,
  inputsToSave: ["query", "key", "value"],
  outputsToSave: [true],
  gradFunc: (dy, saved, attributes) => {
    const [query, key, value, output] = saved;
    if (
      Array.isArray(dy) ||
      query === undefined ||
      key === undefined ||
      value === undefined ||
      output === undefined
    ) {
      throw new TypeError("attention: expected one output and what was saved");
    }
    return attentionGradients(dy, { query, key, value, output }, Number(attributes.heads));
  },
});
