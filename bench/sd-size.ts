import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeSafetensors } from "@retake/checkpoint";
import { type ModelFiles, openModelFiles } from "@retake/gpu-node";
import {
  parseTextConfig,
  parseUNetConfig,
  parseVaeConfig,
  textTensors,
  unetCheckpointTensors,
  vaeTensors,
  type WeightSpec,
} from "@retake/model";
import { isThere } from "../test/golden/golden-folder.js";
import { type JsonObject, jsonObject } from "../test/golden/json-object.js";
import { namedValues } from "../test/golden/sd-size-weights.js";
import { cacheDir, tinyCheckpoint } from "./places.js";

/** Values made at once: 4 MiB. */
const chunkValues = 1 << 20;

/** What makes the small checkpoint's configs those of Stable Diffusion 1.x. */
export const sdSizes = {
  unet: { block_out_channels: [320, 640, 1280, 1280], cross_attention_dim: 768, sample_size: 64 },
  vae: { block_out_channels: [128, 256, 512, 512], sample_size: 512 },
  text_encoder: {
    ...{ hidden_size: 768, intermediate_size: 3072, projection_dim: 768 },
    ...{ num_hidden_layers: 12, num_attention_heads: 12 },
  },
} as const;
type Part = keyof typeof sdSizes;

const parts: Readonly<
  Record<Part, { file: string; tensors: (config: JsonObject) => readonly WeightSpec[] }>
> = {
  unet: {
    file: "diffusion_pytorch_model.safetensors",
    tensors: (config) => unetCheckpointTensors(parseUNetConfig(config)),
  },
  vae: {
    file: "diffusion_pytorch_model.safetensors",
    tensors: (config) => vaeTensors(parseVaeConfig(config)),
  },
  text_encoder: {
    file: "model.safetensors",
    tensors: (config) => textTensors(parseTextConfig(config)),
  },
};

/**
 * A whole checkpoint of the size of Stable Diffusion 1.x, of random weights, in the cache; made
 * when it is not there (4.3 GB). Speed and memory do not depend on the weights.
 */
export async function sdSizeFolder(): Promise<string> {
  const folder = join(cacheDir, "bench", "sd-size");
  const last = "model_index.json";
  if (await isThere(join(folder, last))) return folder;
  console.error("bench: making a checkpoint of 4.3 GB in the cache, which takes a minute");
  for (const name of ["scheduler", "tokenizer"]) await copyFolder(name, folder);
  for (const part of Object.keys(parts) as Part[]) await writePart(part, folder);
  await copyFile(join(tinyCheckpoint, last), join(folder, last));
  return folder;
}

async function copyFolder(name: string, folder: string): Promise<void> {
  await mkdir(join(folder, name), { recursive: true });
  for (const file of await readdir(join(tinyCheckpoint, name))) {
    await copyFile(join(tinyCheckpoint, name, file), join(folder, name, file));
  }
}

async function writePart(part: Part, folder: string): Promise<void> {
  const small = await readFile(join(tinyCheckpoint, part, "config.json"), "utf8");
  const config = { ...jsonObject(JSON.parse(small)), ...sdSizes[part] };
  await mkdir(join(folder, part), { recursive: true });
  await writeFile(join(folder, part, "config.json"), JSON.stringify(config, null, 2));
  const { file, tensors } = parts[part];
  const streams = tensors(config).map((tensor) => {
    const chunks = (): AsyncGenerator<Uint8Array> => valuesOf(tensor);
    return [tensor.name, { dtype: "F32", shape: tensor.shape, chunks } as const] as const;
  });
  await writeSafetensors(join(folder, part, file), new Map(streams));
}

async function* valuesOf(tensor: WeightSpec): AsyncGenerator<Uint8Array> {
  const count = tensor.shape.reduce((product, size) => product * size, 1);
  for (let begin = 0; begin < count; begin += chunkValues) {
    const end = Math.min(begin + chunkValues, count);
    yield new Uint8Array(namedValues(tensor, { begin, end }).buffer);
  }
}

/**
 * Opens that checkpoint as a user's would be: hashed and checked once, then known by its identity.
 */
export async function openSdSize(cache = cacheDir): Promise<ModelFiles> {
  return openModelFiles({ source: await sdSizeFolder(), cacheDir: cache });
}
