import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeSafetensors } from "@retake/checkpoint";
import { textTensors, unetCheckpointTensors, vaeTensors, type WeightSpec } from "@retake/model";
import { halfBytes } from "./half-values.js";
import { networksOf, type Recipe } from "./recipe.js";

/** Values by key of the checkpoint. */
export type TensorValues = (name: string) => Float32Array | undefined;

const modelIndex = {
  _class_name: "StableDiffusionPipeline",
  _diffusers_version: "0.11.1",
  feature_extractor: [null, null],
  safety_checker: [null, null],
  scheduler: ["diffusers", "DDIMScheduler"],
  text_encoder: ["transformers", "CLIPTextModel"],
  tokenizer: ["transformers", "CLIPTokenizer"],
  unet: ["diffusers", "UNet2DConditionModel"],
  vae: ["diffusers", "AutoencoderKL"],
} as const;

const tokenizerFiles = [
  "merges.txt",
  "special_tokens_map.json",
  "tokenizer_config.json",
  "vocab.json",
] as const;

async function writeWeights(
  path: string,
  specs: readonly WeightSpec[],
  find: TensorValues,
): Promise<void> {
  const tensors = specs.map(({ name, shape }) => {
    const values = find(name);
    if (values === undefined) throw new Error(`export: expected ${name} to be trained`);
    async function* chunks(): AsyncGenerator<Uint8Array> {
      yield halfBytes(values ?? new Float32Array());
    }
    return [name, { dtype: "F16", shape, chunks }] as const;
  });
  await writeSafetensors(path, new Map(tensors), new Map([["format", "pt"]]));
}

/**
 * Writes a checkpoint as a folder of diffusers, in half precision.
 *
 * @param to.tokenizer  folder whose tokenizer comes along
 */
export async function exportCheckpoint(
  recipe: Recipe,
  find: TensorValues,
  to: { readonly folder: string; readonly tokenizer: string },
): Promise<void> {
  const { unet, vae, text } = networksOf(recipe);
  const weights = {
    unet: ["diffusion_pytorch_model.safetensors", unetCheckpointTensors(unet)],
    vae: ["diffusion_pytorch_model.safetensors", vaeTensors(vae)],
    text_encoder: ["model.safetensors", textTensors(text)],
  } as const;
  const json = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;
  for (const part of ["unet", "vae", "text_encoder", "scheduler", "tokenizer"] as const) {
    await mkdir(join(to.folder, part), { recursive: true });
  }
  for (const part of ["unet", "vae", "text_encoder"] as const) {
    const [file, specs] = weights[part];
    await writeFile(join(to.folder, part, "config.json"), json(recipe.configs[part]));
    await writeWeights(join(to.folder, part, file), specs, find);
  }
  const scheduler = join(to.folder, "scheduler", "scheduler_config.json");
  await writeFile(scheduler, json(recipe.configs.scheduler));
  for (const file of tokenizerFiles) {
    await copyFile(join(to.tokenizer, file), join(to.folder, "tokenizer", file));
  }
  await writeFile(join(to.folder, "model_index.json"), json(modelIndex));
}
