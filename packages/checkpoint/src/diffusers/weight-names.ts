import { malformed } from "../files/file-errors.js";
import type { WeightLocation, WeightLocations } from "../safetensors/read.js";

const newAttentionName: Readonly<Record<string, string>> = {
  query: "to_q",
  key: "to_k",
  value: "to_v",
  proj_attn: "to_out.0",
};
const vaeAttentionPattern =
  /^(.*\.attentions\.\d+\.)(query|key|value|proj_attn|to_q|to_k|to_v|to_out\.0)\.(weight|bias)$/;

/**
 * The VAE's weights under the names of today. Old files call the projections of the middle
 * attention `query key value proj_attn`, and the oldest store them as 1x1 convolutions: the bytes
 * are the same.
 */
export function vaeWeights(weights: WeightLocations): WeightLocations {
  return renamed(weights, (name, entry) => {
    const [, block, projection = "", kind] = vaeAttentionPattern.exec(name) ?? [];
    if (block === undefined) return [name, entry];
    const [outputs = 0, inputs = 0, ...window] = entry.shape;
    const isWindow1x1 = window.length === 2 && window.every((size) => size === 1);
    const shape = isWindow1x1 ? [outputs, inputs] : entry.shape;
    return [`${block}${newAttentionName[projection] ?? projection}.${kind}`, { ...entry, shape }];
  });
}

const textParts = /^(embeddings|encoder|final_layer_norm)\./;

/** The text encoder's weights, all below `text_model.`; some files leave that prefix out. */
export function textEncoderWeights(weights: WeightLocations): WeightLocations {
  return renamed(weights, (name, entry) => [
    textParts.test(name) ? `text_model.${name}` : name,
    entry,
  ]);
}

function renamed(
  weights: WeightLocations,
  rename: (name: string, entry: WeightLocation) => [string, WeightLocation],
): WeightLocations {
  const result = new Map<string, WeightLocation>();
  for (const [oldName, oldEntry] of weights) {
    const [name, entry] = rename(oldName, oldEntry);
    if (result.has(name)) {
      throw malformed(`${entry.file}: expected ${name} once, got it under two names`);
    }
    result.set(name, entry);
  }
  return result;
}
