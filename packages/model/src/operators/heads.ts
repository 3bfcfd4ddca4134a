import * as tf from "@tensorflow/tfjs-core";
import { axesOf } from "../axes.js";

/**
 * How the matrix of one head lies in memory: `[tokens, headChannels]` or `[headChannels, tokens]`.
 *
 * Products with a few columns use a quarter of a processor's vectors, and transposes that move a
 * few channels at a time cost more than they; with channels first, tokens are the columns, and
 * heads are split by a plain transpose of a matrix. All products of an attention, forward and
 * backward, with the transposes around them, 48 heads of 64 x 128 tokens, one thread of a Zen 4: 4
 * channels 1.19 ms and, channels first, 0.51. With 16 channels and more tokens it is slower.
 */
export type HeadForm = "tokens-first" | "channels-first";

/** Up to so many channels, a head is narrow. */
const narrowHeadMax = 8;

/** The form in which heads of so many channels are fastest. */
export function formOfHeads(headChannels: number): HeadForm {
  return headChannels <= narrowHeadMax ? "channels-first" : "tokens-first";
}

/** Where the two axes of a head's matrix lie, from the end. */
export function headAxes(form: HeadForm): { readonly tokens: number; readonly channels: number } {
  return form === "tokens-first" ? { tokens: -2, channels: -1 } : { tokens: -1, channels: -2 };
}

/** `[batch, tokens, channels]` to `[batch, heads, ...]`, each head in the given form. */
export function splitHeads(x: tf.Tensor, heads: number, form: HeadForm): tf.Tensor {
  const { batch, tokens, channels } = axesOf("x", x, ["batch", "tokens", "channels"]);
  const divided = tf.reshape(x, [batch, tokens, heads, channels / heads]);
  return tf.transpose(divided, form === "tokens-first" ? [0, 2, 1, 3] : [0, 2, 3, 1]);
}

/** What `splitHeads` splits: `[batch, heads, ...]` to `[batch, tokens, channels]`. */
export function joinHeads(x: tf.Tensor, form: HeadForm): tf.Tensor {
  const { batch, heads, a, b } = axesOf("x", x, ["batch", "heads", "a", "b"]);
  return form === "tokens-first"
    ? tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch, a, heads * b])
    : tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [batch, b, heads * a]);
}

/** `a b^T` of two heads' matrices: one number per pair of tokens, `[..., tokens, tokens]`. */
export function tokenProducts(form: HeadForm, a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  const tokensFirst = form === "tokens-first";
  return tf.matMul(a, b, !tokensFirst, tokensFirst);
}

/** `weights x`, in the form of `x`: per row of the weights a weighted sum of tokens. */
export function weightedTokens(form: HeadForm, weights: tf.Tensor, x: tf.Tensor): tf.Tensor {
  return form === "tokens-first" ? tf.matMul(weights, x) : tf.matMul(x, weights, false, true);
}

/** `weights^T x`, in the form of `x`: a weighted sum per column of the weights. */
export function weightedBack(form: HeadForm, weights: tf.Tensor, x: tf.Tensor): tf.Tensor {
  return form === "tokens-first" ? tf.matMul(weights, x, true, false) : tf.matMul(x, weights);
}
