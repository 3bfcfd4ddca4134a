import {
  assertFieldDivides,
  choiceField,
  configSource,
  integerField,
  numberField,
} from "../config-fields.js";
import type { TextConfig } from "./config.js";

/**
 * Reads `text_encoder/config.json`. Absent fields take the values of the library's class
 * `CLIPTextConfig`.
 *
 * @throws RetakeError  `config-unsupported`, naming the field, what was expected and what came
 */
export function parseTextConfig(json: unknown): TextConfig {
  const source = configSource("text_encoder/config.json", json);
  const size = (key: string, fallback: number): number =>
    integerField(source, key, { min: 1, max: 16384, fallback });
  const width = size("hidden_size", 512);
  const heads = integerField(source, "num_attention_heads", { min: 1, max: 256, fallback: 8 });
  const of = { divisor: heads, of: width, what: "channels of hidden_size" };
  assertFieldDivides(source, "num_attention_heads", of);
  return {
    width,
    heads,
    vocabSize: integerField(source, "vocab_size", { min: 3, max: 1 << 20, fallback: 49408 }),
    promptTokens: integerField(source, "max_position_embeddings", {
      min: 2,
      max: 4096,
      fallback: 77,
    }),
    mlpWidth: integerField(source, "intermediate_size", { min: 1, max: 65536, fallback: 2048 }),
    layers: integerField(source, "num_hidden_layers", { min: 1, max: 128, fallback: 12 }),
    normEps: numberField(source, "layer_norm_eps", { min: 1e-12, max: 1e-2, fallback: 1e-5 }),
    activation: choiceField(source, "hidden_act", {
      choices: ["quick_gelu", "gelu"],
      fallback: "quick_gelu",
    }),
  };
}
