import { formOfHeads } from "@retake/model/network";
import type { GraphNode } from "../graph.js";
import { inputOf, type Lower, type Lowering, outputOf } from "./lowering.js";

/** `[batch, tokens, channels]` by heads, `[batch, tokens, heads, headChannels]`, transposed. */
function headsFirst(
  to: Lowering,
  id: number,
  options: { readonly heads: number; readonly perm: readonly number[] },
): string {
  const [batch = 1, tokens = 1, channels = 1] = to.shape(id);
  const { heads, perm } = options;
  const shape = to.ints([batch, tokens, heads, channels / heads]);
  return to.emit("Transpose", [to.emit("Reshape", [to.name(id), shape])], { perm });
}

/** As nodes of their own, which every device gets right; but the scores are stored. */
const plain: Lower = (node, to) => {
  const [query, key, value] = [0, 1, 2].map((position) => inputOf(node, position));
  if (query === undefined || key === undefined || value === undefined) throw new Error("Attention");
  const heads = Number(node.attributes.heads);
  const channels = to.shape(query)[2] ?? 1;
  const tokensLast = [0, 2, 3, 1];
  const tokensFirst = [0, 2, 1, 3];
  const scale = to.scalar(1 / Math.sqrt(channels / heads));
  const q = to.emit("Mul", [headsFirst(to, query, { heads, perm: tokensFirst }), scale]);
  const scores = to.emit("MatMul", [q, headsFirst(to, key, { heads, perm: tokensLast })]);
  const weights = to.emit("Softmax", [scores], { axis: -1 });
  const v = headsFirst(to, value, { heads, perm: tokensFirst });
  const joined = to.emit("Transpose", [to.emit("MatMul", [weights, v])], { perm: tokensFirst });
  const shape = to.ints(to.shape(query));
  to.emit("Reshape", [joined, shape], {}, to.name(outputOf(node)));
};

const fused: Lower = (node, to) => {
  const inputs = node.inputs.map((id) => to.name(id));
  const attributes = { num_heads: Number(node.attributes.heads) };
  to.emitContributed("MultiHeadAttention", inputs, attributes, to.name(outputOf(node)));
};

/** Up to so many tokens are looked at where scores are stored: what is stored stays small. */
const storedContextMax = 128;

/**
 * In parts, heads with their channels first, as the model holds narrow ones for the backward pass:
 * their products are too thin for the fused kernel, which takes twice the time for 4 channels. That
 * follows from widths and context alone, so that frames get the same bits in any company.
 */
const narrow: Lower = (node, to) => {
  const [query, key, value] = [0, 1, 2].map((position) => inputOf(node, position));
  if (query === undefined || key === undefined || value === undefined) throw new Error("Attention");
  const heads = Number(node.attributes.heads);
  const channels = to.shape(query)[2] ?? 1;
  const split = (id: number): string => headsFirst(to, id, { heads, perm: [0, 2, 3, 1] });
  const alpha = { float: Math.sqrt(heads / channels) };
  const product = { transA: 1, transB: 0, alpha };
  const scores = to.emitContributed("FusedMatMul", [split(query), split(key)], product);
  const weights = to.emit("Softmax", [scores], { axis: -1 });
  const weigh = { transA: 0, transB: 1, alpha: { float: 1 } };
  const weighted = to.emitContributed("FusedMatMul", [split(value), weights], weigh);
  const joined = to.emit("Transpose", [weighted], { perm: [0, 3, 1, 2] });
  to.emit("Reshape", [joined, to.ints(to.shape(query))], {}, to.name(outputOf(node)));
};

function isNarrow(node: GraphNode, to: Lowering): boolean {
  const [, contextTokens = 1, channels = 1] = to.shape(inputOf(node, 1));
  const form = formOfHeads(channels / Number(node.attributes.heads));
  return (
    to.options.target === "cpu" && form === "channels-first" && contextTokens <= storedContextMax
  );
}

export const attention: Readonly<Record<string, Lower>> = {
  Attention: (node, to) => {
    const divided = isNarrow(node, to) ? narrow : fused;
    (to.options.attention === "plain" ? plain : divided)(node, to);
  },
};
