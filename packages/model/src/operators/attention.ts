import { ShapeError } from "@retake/errors";
import * as tf from "@tensorflow/tfjs";
import { axesOf } from "../axes.js";
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

/**
 * The three gradients of attention, with P = softmax(q k^T) computed again instead of kept:
 * dV = P^T dO, dS = P * (dO V^T - rowsum(dO * O)), dQ = dS K, dK = dS^T Q.
 */
function attentionGradients(
  dy: tf.Tensor,
  saved: { query: tf.Tensor; key: tf.Tensor; value: tf.Tensor; output: tf.Tensor },
  heads: number,
): { query: () => tf.Tensor; key: () => tf.Tensor; value: () => tf.Tensor } {
  const channels = saved.query.shape[2] ?? 1;
  const scale = 1 / Math.sqrt(channels / heads);
  const q = tf.mul(splitHeads(saved.query, heads), scale);
  const k = splitHeads(saved.key, heads);
  const dO = splitHeads(dy, heads);
  const probabilities = tf.softmax(tf.matMul(q, k, false, true));
  const dProbabilities = tf.matMul(dO, splitHeads(saved.value, heads), false, true);
  const alongOutput = tf.sum(tf.mul(dO, splitHeads(saved.output, heads)), -1, true);
  const dScores = tf.mul(probabilities, tf.sub(dProbabilities, alongOutput));
  return {
    query: () => joinHeads(tf.mul(tf.matMul(dScores, k), scale)),
    key: () => joinHeads(tf.matMul(dScores, q, true, false)),
    value: () => joinHeads(tf.matMul(probabilities, dO, true, false)),
  };
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
    return attentionGradients(dy, { query, key, value, output }, Number(attributes["heads"]));
  },
});
