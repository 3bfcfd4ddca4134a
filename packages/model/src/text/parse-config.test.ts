import { RetakeError } from "@retake/errors";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseTextConfig } from "./parse-config.js";

const largeTower = {
  architectures: ["CLIPTextModel"],
  hidden_act: "quick_gelu",
  hidden_size: 768,
  intermediate_size: 3072,
  layer_norm_eps: 1e-5,
  max_position_embeddings: 77,
  num_attention_heads: 12,
  num_hidden_layers: 12,
  vocab_size: 49408,
};

describe("parseTextConfig", () => {
  it("reads the text tower of CLIP ViT-L/14", () => {
    expect(parseTextConfig(largeTower)).toEqual({
      vocabSize: 49408,
      promptTokens: 77,
      width: 768,
      mlpWidth: 3072,
      layers: 12,
      heads: 12,
      normEps: 1e-5,
      activation: "quick_gelu",
    });
  });

  it("reads another number of tokens and another activation", () => {
    const config = parseTextConfig({
      ...largeTower,
      max_position_embeddings: 24,
      hidden_act: "gelu",
    });
    expect([config.promptTokens, config.activation]).toEqual([24, "gelu"]);
  });

  it.each([
    [{ hidden_act: "relu" }, "hidden_act"],
    [{ num_attention_heads: 5 }, "num_attention_heads"],
    [{ max_position_embeddings: 1 }, "max_position_embeddings"],
    [{ vocab_size: 1e9 }, "vocab_size"],
    [{ num_hidden_layers: 1.5 }, "num_hidden_layers"],
    [{ layer_norm_eps: 1 }, "layer_norm_eps"],
  ])("refuses %j and names the field", (changes, field) => {
    const parse = () => parseTextConfig({ ...largeTower, ...changes });
    expect(parse).toThrow(`text_encoder/config.json: ${field}`);
  });

  it("either reads a config or throws a RetakeError, whatever one field holds", () => {
    const field = fc.constantFrom(...Object.keys(largeTower));
    fc.assert(
      fc.property(field, fc.jsonValue(), (name, value) => {
        try {
          parseTextConfig({ ...largeTower, [name]: value });
        } catch (error) {
          expect(error).toBeInstanceOf(RetakeError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
