import { describe, expect, it } from "vitest";
import { failureOf } from "../testing/temporary-folder.js";
import { checkpointFiles, type HubFile } from "./hub-files.js";

const listing = (paths: readonly string[]) =>
  new Map<string, HubFile>(
    paths.map((path) => [path, { path, byteLength: 1, hash: { kind: "sha256", value: "x" } }]),
  );

const required = [
  "model_index.json",
  "unet/config.json",
  "vae/config.json",
  "text_encoder/config.json",
  "scheduler/scheduler_config.json",
  "tokenizer/vocab.json",
  "tokenizer/merges.txt",
];
const weights = [
  "unet/diffusion_pytorch_model.safetensors",
  "vae/diffusion_pytorch_model.safetensors",
  "text_encoder/model.safetensors",
];

describe("checkpointFiles", () => {
  it("takes configs, vocabulary and one file of weights a component, and nothing else", () => {
    const others = [
      "README.md",
      "v1-5-pruned.ckpt",
      "safety_checker/model.safetensors",
      "unet/diffusion_pytorch_model.bin",
      "unet/diffusion_pytorch_model.fp16.safetensors",
      "unet/diffusion_pytorch_model.non_ema.safetensors",
      "text_encoder/pytorch_model.bin",
    ];
    const files = checkpointFiles(listing([...required, ...weights, ...others]), "x");
    expect(files.map(({ path }) => path).sort()).toEqual([...required, ...weights].sort());
  });

  it("takes the index of shards, and the small files that are there", () => {
    const [, ...rest] = weights;
    const index = "unet/diffusion_pytorch_model.safetensors.index.json";
    const more = ["retake.json", "tokenizer/tokenizer_config.json"];
    const files = checkpointFiles(listing([...required, ...rest, index, ...more]), "x");
    expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining([index, ...more]));
  });

  it.each([...required, ...weights])("says that %s is not there", async (path) => {
    const others = [...required, ...weights].filter((other) => other !== path);
    const failure = await failureOf(() => checkpointFiles(listing(others), "owner/name"));
    expect(failure.reason).toBe("checkpoint-incomplete");
    expect(failure.message).toContain(path);
  });
});
