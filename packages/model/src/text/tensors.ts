import type { WeightSpec } from "../program.js";
import type { TextConfig } from "./config.js";

function pair(path: string, weight: readonly number[]): WeightSpec[] {
  return [
    { name: `${path}.weight`, shape: weight },
    { name: `${path}.bias`, shape: [weight[0] ?? 0] },
  ];
}

/** Every tensor of CLIP's text tower, by key and shape. */
export function textTensors(config: TextConfig): WeightSpec[] {
  const { width, mlpWidth } = config;
  const layers = Array.from({ length: config.layers }, (_, layer) => {
    const path = `text_model.encoder.layers.${layer}`;
    return [
      ...["q_proj", "k_proj", "v_proj", "out_proj"].flatMap((name) =>
        pair(`${path}.self_attn.${name}`, [width, width]),
      ),
      ...pair(`${path}.layer_norm1`, [width]),
      ...pair(`${path}.layer_norm2`, [width]),
      ...pair(`${path}.mlp.fc1`, [mlpWidth, width]),
      ...pair(`${path}.mlp.fc2`, [width, mlpWidth]),
    ];
  });
  const embeddings = "text_model.embeddings";
  return [
    { name: `${embeddings}.token_embedding.weight`, shape: [config.vocabSize, width] },
    { name: `${embeddings}.position_embedding.weight`, shape: [config.promptTokens, width] },
    ...layers.flat(),
    ...pair("text_model.final_layer_norm", [width]),
  ];
}
