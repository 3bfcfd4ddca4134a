import { cp, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type TensorToWrite, writeSafetensors } from "../safetensors/write.js";

/** Files that the tests read: `packages/checkpoint/test-data`. */
export const testData = fileURLToPath(new URL("../../test-data", import.meta.url));

export const values = (...data: readonly number[]): TensorToWrite => ({
  shape: [data.length],
  data: Float32Array.from(data),
});

export const unetFile = "unet/diffusion_pytorch_model.safetensors";
export const vaeFile = "vae/diffusion_pytorch_model.safetensors";
export const textFile = "text_encoder/model.safetensors";

const configs: Readonly<Record<string, unknown>> = {
  "model_index.json": { _class_name: "StableDiffusionPipeline" },
  "unet/config.json": { layers_per_block: 2 },
  "vae/config.json": { latent_channels: 4 },
  "text_encoder/config.json": { hidden_size: 32 },
  "scheduler/scheduler_config.json": { beta_schedule: "scaled_linear" },
};

/** Writes a folder in the layout of diffusers with one or two tensors a component. */
export async function writeSmallCheckpoint(root: string): Promise<void> {
  for (const [path, content] of Object.entries(configs)) {
    await writeText(join(root, path), JSON.stringify(content));
  }
  await cp(join(testData, "tiny-tokenizer"), join(root, "tokenizer"), { recursive: true });
  await writeSafetensors(join(root, unetFile), new Map([["conv_in.bias", values(1, 2)]]));
  await writeSafetensors(
    join(root, vaeFile),
    new Map([["decoder.mid_block.attentions.0.query.bias", values(3)]]),
  );
  await writeSafetensors(
    join(root, textFile),
    new Map([["text_model.final_layer_norm.bias", values(4)]]),
  );
}

export async function writeText(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}
