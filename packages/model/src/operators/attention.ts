import { ShapeError } from "@retake/errors";
import * as tf from "@tensorflow/tfjs-core";
import { axesOf } from "../axes.js";
import { isDifferentiated } from "../scope.js";
import { splitInto } from "../split.js";
import {
  formOfHeads,
  type HeadForm,
  headAxes,
  joinHeads,
  splitHeads,
  tokenProducts,
  weightedBack,
  weightedTokens,
} from "./heads.js";
import { cheapPassValuesMax, runUnaryOperator } from "./operator.js";

export const attentionKernel = "RetakeAttention";

const tokenAxes = ["batch", "tokens", "channels"] as const;

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
  const given = { query, key, value };
  const scoreCount = q.batch * heads * q.tokens * k.tokens;
  const isRecorded = tf.getKernel(attentionKernel, tf.getBackend()) !== undefined;
  if (isRecorded && isDifferentiated() && scoreCount <= keptScoresMax) {
    return attentionThatKeeps(given, heads);
  }
  return runUnaryOperator(
    attentionKernel,
    { ...given },
    { heads },
    () => plainAttention(given, heads).output,
  );
}

interface Operands {
  readonly query: tf.Tensor;
  readonly key: tf.Tensor;
  readonly value: tf.Tensor;
}

/** The plain meaning of `attention`, and softmax(q k^T / sqrt(headChannels)) on the way. */
function plainAttention(
  { query, key, value }: Operands,
  heads: number,
): { readonly output: tf.Tensor; readonly probabilities: tf.Tensor } {
  const headChannels = (query.shape[2] ?? 1) / heads;
  const form = formOfHeads(headChannels);
  const split = (x: tf.Tensor): tf.Tensor => splitHeads(x, heads, form);
  const scaled = tf.mul(split(query), Math.sqrt(1 / headChannels));
  const probabilities = tf.softmax(tokenProducts(form, scaled, split(key)));
  const perHead = weightedTokens(form, probabilities, split(value));
  return { output: joinHeads(perHead, form), probabilities };
}

/** Up to so many scores, 2 MiB of them, are kept for the backward pass rather than recomputed. */
const keptScoresMax = 2 ** 19;

/** Attention in parts, of which the backward pass uses all: less work than a fused kernel twice. */
function attentionThatKeeps(given: Operands, heads: number): tf.Tensor {
  const call = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [query, key, value, save] = inputs as [tf.Tensor, tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const { output, probabilities } = plainAttention({ query, key, value }, heads);
    save([query, key, value, output, probabilities]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => {
      const [q, k, v, o, p] = saved;
      if (!q || !k || !v || !o || !p) throw new TypeError("attention: expected what was saved");
      const known = { query: q, key: k, value: v, output: o, probabilities: p };
      const gradients = operandGradients(dy, known, heads);
      const { form } = gradients;
      return [gradients.query, gradients.key, gradients.value].map((x) => joinHeads(x, form));
    };
    return { value: output, gradFunc };
  });
  return call(given.query, given.key, given.value);
}

/**
 * Whether items may query one context as one longer sequence, with the bits that each has alone.
 *
 * Kernels take queries in blocks of an even number, and a block of a single query by another path:
 * an odd number of tokens would leave one where another number of items leaves none.
 */
export function mayJoinQueries(tokens: number): boolean {
  return tokens % 2 === 0;
}

/** The same context for some items in a row: `[batch, ...]` to `[batch * items, ...]`. */
export function repeatedContext(context: tf.Tensor, items: number): tf.Tensor {
  const [batch = 1, ...rest] = context.shape;
  const one = tf.reshape(context, [batch, 1, ...rest]);
  const repeated = tf.mul(one, tf.ones([1, items, ...rest.map(() => 1)]));
  return tf.reshape(repeated, [batch * items, ...rest]);
}

/** How many scores the backward pass holds at a time: 4 Mi of them, that is 16 MiB. */
const scoresMax = 2 ** 22;

/** Sizes of the parts in which heads are differentiated: one part's scores stay below the limit. */
export function headParts({
  heads,
  scoresPerHead,
}: {
  readonly heads: number;
  readonly scoresPerHead: number;
}): number[] {
  const most = Math.min(heads, Math.max(1, Math.floor(scoresMax / scoresPerHead)));
  const full = Array.from({ length: Math.floor(heads / most) }, () => most);
  return heads % most === 0 ? full : [...full, heads % most];
}

/** Query, key and value of some heads, and what is known of the output and its gradient. */
interface Heads {
  readonly form: HeadForm;
  /** Each a matrix of tokens and headChannels in that form. */
  readonly query: tf.Tensor;
  readonly key: tf.Tensor;
  readonly value: tf.Tensor;
  readonly dOutput: tf.Tensor;
  /** The sum of dOutput * output over the channels of a head, as a matrix of one channel. */
  readonly alongOutput: tf.Tensor;
  /** softmax(scale q k^T), `[..., tokens, contextTokens]`, where it was kept. */
  readonly probabilities?: tf.Tensor;
}

interface HeadGradients {
  readonly query: tf.Tensor;
  readonly key: tf.Tensor;
  readonly value: tf.Tensor;
}

/**
 * The three gradients of some heads, with P = softmax(scale q k^T) computed again where not kept:
 * dV = P^T dO, dS = P * (dO V^T - rowsum(dO * O)), dQ = scale dS K, dK = scale dS^T Q.
 *
 * @source Dao et al. 2022, arXiv:2205.14135, appendix B.4: the scores are not kept
 */
function headGradients(heads: Heads): HeadGradients {
  const { form, query, key, dOutput } = heads;
  const scale = 1 / Math.sqrt(query.shape.at(headAxes(form).channels) ?? 1);
  const probabilities =
    heads.probabilities ?? tf.softmax(tokenProducts(form, tf.mul(query, scale), key));
  const dScores = tf.mul(probabilities, centeredProbabilityGradients(heads, probabilities));
  return {
    query: tf.mul(weightedTokens(form, dScores, key), scale),
    key: tf.mul(weightedBack(form, dScores, query), scale),
    value: weightedBack(form, probabilities, dOutput),
  };
}

/** From how many scores per value on it pays to spare a pass over the scores. */
const scoresPerValueMin = 4;

/**
 * dO V^T - rowsum(dO * O), `[..., tokens, contextTokens]`. Where there are many more scores than
 * values, the subtraction is one more channel of the product: [dO, rowsum] [V, -1]^T. Where there
 * are few scores, rowsum(P * dO V^T), which is the same, takes fewer nodes.
 */
function centeredProbabilityGradients(
  { form, value, dOutput, alongOutput }: Heads,
  probabilities: tf.Tensor,
): tf.Tensor {
  if (probabilities.size <= cheapPassValuesMax) {
    const gradients = tokenProducts(form, dOutput, value);
    return tf.sub(gradients, tf.sum(tf.mul(probabilities, gradients), -1, true));
  }
  const axes = headAxes(form);
  const [contextTokens = 1, headChannels = 1] = [axes.tokens, axes.channels].map((axis) =>
    value.shape.at(axis),
  );
  if (contextTokens < scoresPerValueMin * headChannels) {
    const perRow = [...probabilities.shape.slice(0, -1), 1];
    return tf.sub(tokenProducts(form, dOutput, value), tf.reshape(alongOutput, perRow));
  }
  const channelAxis = value.rank + axes.channels;
  const oneChannel = value.shape.map((size, axis) => (axis === channelAxis ? 1 : size));
  const rows = tf.concat([dOutput, alongOutput], channelAxis);
  const columns = tf.concat([value, tf.fill(oneChannel, -1)], channelAxis);
  return tokenProducts(form, rows, columns);
}

/** The gradients of all heads, some at a time: their scores need not all be held at once. */
function gradientsInParts(heads: Heads, sizes: readonly number[]): HeadGradients {
  const fold = (x: tf.Tensor): tf.Tensor => tf.reshape(x, [-1, ...x.shape.slice(2)]);
  const parts = (x: tf.Tensor): tf.Tensor[] => splitInto(fold(x), sizes, 0);
  const tokens = 3 + headAxes(heads.form).tokens;
  const query = parts(heads.query);
  const key = parts(heads.key);
  const value = parts(heads.value);
  const alongOutput = parts(heads.alongOutput);
  const gradients = parts(heads.dOutput).map((dOutput, i) => {
    const [q, k, v, along] = [query[i], key[i], value[i], alongOutput[i]];
    if (!q || !k || !v || !along) throw new ShapeError("attention: expected as many parts of each");
    const given = { form: heads.form, query: q, key: k, value: v };
    const part = headGradients({ ...given, dOutput, alongOutput: along });
    // One tensor per part: its scores are done with before those of the next part are computed.
    return tf.concat([part.query, part.key, part.value], tokens);
  });
  const counts = [heads.query, heads.key, heads.value].map((x) => x.shape[1 + tokens] ?? 0);
  const joined = tf.split(tf.concat(gradients, 0), counts, tokens);
  const like = (i: number, x: tf.Tensor): tf.Tensor => tf.reshape(joined[i] ?? x, x.shape);
  return { query: like(0, heads.query), key: like(1, heads.key), value: like(2, heads.value) };
}

/**
 * The gradients of all heads.
 *
 * @param sizes  how many heads of how many items to take at a time; they add up to batch x heads
 */
export function attentionGradients(heads: Heads, sizes: readonly number[]): HeadGradients {
  return sizes.length === 1 ? headGradients(heads) : gradientsInParts(heads, sizes);
}

/** The gradients of query, key and value, by heads as `splitHeads` gives them. */
function operandGradients(
  dy: tf.Tensor,
  known: Operands & { readonly output: tf.Tensor; readonly probabilities?: tf.Tensor },
  heads: number,
): HeadGradients & { readonly form: HeadForm } {
  const { query, key, value, output, probabilities } = known;
  const [batch = 1, tokens = 1, channels = 1] = query.shape;
  const form = formOfHeads(channels / heads);
  const split = (x: tf.Tensor): tf.Tensor => splitHeads(x, heads, form);
  const along = alongOutput(dy, { output, heads, form });
  const all = {
    ...{ form, query: split(query), key: split(key), value: split(value), dOutput: split(dy) },
    ...(probabilities === undefined ? {} : { probabilities }),
    alongOutput: along,
  };
  const scoresPerHead = tokens * (key.shape[1] ?? 1);
  const gradients = attentionGradients(all, headParts({ heads: batch * heads, scoresPerHead }));
  return { ...gradients, form };
}

/** The sum of dOutput * output over the channels of each head. */
function alongOutput(
  dy: tf.Tensor,
  of: { readonly output: tf.Tensor; readonly heads: number; readonly form: HeadForm },
): tf.Tensor {
  const { output, heads, form } = of;
  if (form === "channels-first") {
    const products = tf.mul(splitHeads(dy, heads, form), splitHeads(output, heads, form));
    return tf.sum(products, 2, true);
  }
  const [batch = 1, tokens = 1, channels = 1] = dy.shape;
  const perHead = [batch, tokens, heads, channels / heads];
  const along = tf.sum(tf.reshape(tf.mul(dy, output), perHead), -1, true);
  return tf.transpose(along, [0, 2, 1, 3]);
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
    const heads = Number(attributes.heads);
    const gradients = operandGradients(dy, { query, key, value, output }, heads);
    const { form } = gradients;
    return {
      query: () => joinHeads(gradients.query, form),
      key: () => joinHeads(gradients.key, form),
      value: () => joinHeads(gradients.value, form),
    };
  },
});
