import { describe, expect, it } from "vitest";
import type { WeightLocation } from "../safetensors/read.js";
import { failureOf } from "../testing/temporary-folder.js";
import { textEncoderWeights, vaeWeights } from "./weight-names.js";

const at = (...shape: readonly number[]): WeightLocation => ({
  file: "/x",
  offset: 0,
  byteLength: 4,
  dtype: "F32",
  shape,
});

describe("vaeWeights", () => {
  it.each([
    ["query.weight", "to_q.weight"],
    ["key.bias", "to_k.bias"],
    ["value.weight", "to_v.weight"],
    ["proj_attn.bias", "to_out.0.bias"],
    ["to_q.weight", "to_q.weight"],
    ["to_out.0.bias", "to_out.0.bias"],
    ["group_norm.weight", "group_norm.weight"],
  ])("calls %s of an attention %s", (old, now) => {
    const block = "encoder.mid_block.attentions.0.";
    expect([...vaeWeights(new Map([[block + old, at(2)]])).keys()]).toEqual([block + now]);
  });

  it("leaves other names alone that hold such words", () => {
    const names = ["query.weight", "decoder.key.weight", "a.attentions.0.keys.weight"];
    expect([...vaeWeights(new Map(names.map((name) => [name, at(2)]))).keys()]).toEqual(names);
  });

  it("takes 1x1 convolutions of attentions as matrices, and only those", () => {
    const block = "decoder.mid_block.attentions.0.";
    const weights = vaeWeights(
      new Map([
        [`${block}query.weight`, at(8, 4, 1, 1)],
        [`${block}to_k.weight`, at(8, 4, 1, 1)],
        [`${block}value.weight`, at(8, 4)],
        [`${block}query.bias`, at(8)],
        ["quant_conv.weight", at(8, 8, 1, 1)],
      ]),
    );
    expect([...weights.values()].map(({ shape }) => shape)).toEqual([
      [8, 4],
      [8, 4],
      [8, 4],
      [8],
      [8, 8, 1, 1],
    ]);
  });

  it("refuses a tensor that is there under both names", async () => {
    const block = "encoder.mid_block.attentions.0.";
    const both = new Map([
      [`${block}query.bias`, at(2)],
      [`${block}to_q.bias`, at(2)],
    ]);
    expect((await failureOf(() => vaeWeights(both))).reason).toBe("file-malformed");
  });
});

describe("textEncoderWeights", () => {
  it("puts `text_model.` before the names that lack it", () => {
    const names = ["embeddings.token_embedding.weight", "text_model.encoder.layers.0.mlp.fc1.bias"];
    const weights = textEncoderWeights(new Map(names.map((name) => [name, at(2)])));
    expect([...weights.keys()]).toEqual([
      "text_model.embeddings.token_embedding.weight",
      "text_model.encoder.layers.0.mlp.fc1.bias",
    ]);
  });
});
