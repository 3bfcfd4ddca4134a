import * as tf from "@tensorflow/tfjs-core";
import { axesOf } from "../axes.js";
import { gelu, silu } from "../operators/activation.js";
import { type Scope, weightOf, within } from "../scope.js";
import { layerNormLayer, linearLayer } from "../unet/layers.js";
import type { TextConfig } from "./config.js";

/** A large negative number that a float32 softmax turns into exactly zero. */
const masked = -3e38;

function causalMask(tokens: number): tf.Tensor {
  const values = new Float32Array(tokens * tokens);
  for (let row = 0; row < tokens; row += 1) {
    values.fill(masked, row * tokens + row + 1, (row + 1) * tokens);
  }
  return tf.tensor(values, [1, 1, tokens, tokens]);
}

/** Self-attention in which each token sees itself and what comes before it. */
function causalAttention(scope: Scope, x: tf.Tensor, heads: number): tf.Tensor {
  const { batch, tokens, width } = axesOf("x", x, ["batch", "tokens", "width"]);
  const inner = width / heads;
  const project = (name: string): tf.Tensor =>
    tf.transpose(
      tf.reshape(linearLayer(scope, name, x), [batch, tokens, heads, inner]),
      [0, 2, 1, 3],
    );
  const query = tf.mul(project("q_proj"), 1 / Math.sqrt(inner));
  const scores = tf.add(tf.matMul(query, project("k_proj"), false, true), causalMask(tokens));
  const context = tf.matMul(tf.softmax(scores), project("v_proj"));
  const joined = tf.reshape(tf.transpose(context, [0, 2, 1, 3]), [batch, tokens, width]);
  return linearLayer(scope, "out_proj", joined);
}

function encoderLayer(scope: Scope, input: tf.Tensor, config: TextConfig): tf.Tensor {
  const normed = (name: string, x: tf.Tensor): tf.Tensor =>
    layerNormLayer(scope, name, x, config.normEps);
  const attended = within(scope, "self_attn", (inner) =>
    causalAttention(inner, normed("layer_norm1", input), config.heads),
  );
  const x = tf.add(input, attended);
  const hidden = linearLayer(scope, "mlp.fc1", normed("layer_norm2", x));
  const active = config.activation === "quick_gelu" ? silu(hidden, 1.702) : gelu(hidden);
  return tf.add(x, linearLayer(scope, "mlp.fc2", active));
}

/**
 * CLIP's text tower: token ids to one vector per token, the last hidden state after the final norm.
 *
 * @param ids  `[batch, promptTokens]`, int32, 0...vocabSize-1
 * @returns    `[batch, promptTokens, width]`, float32; the caller disposes it
 * @source Radford et al. 2021, arXiv:2103.00020; `CLIPTextModel` of transformers
 */
export function textEncode(scope: Scope, ids: tf.Tensor, config: TextConfig): tf.Tensor {
  return within(scope, "text_model", (model) => {
    const embeddings = within(model, "embeddings", (inner) => {
      const tokens = tf.gather(weightOf(inner, "token_embedding.weight"), tf.cast(ids, "int32"), 0);
      return tf.add(tokens, weightOf(inner, "position_embedding.weight"));
    });
    let x = embeddings;
    for (let layer = 0; layer < config.layers; layer += 1) {
      x = within(model, `encoder.layers.${layer}`, (inner) => encoderLayer(inner, x, config));
    }
    return layerNormLayer(model, "final_layer_norm", x, config.normEps);
  });
}
