import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import { malformed, shown } from "../files/file-errors.js";
import { isObject, readJsonObject } from "../files/read-json.js";

/** The files that hold a component's weights. */
export interface WeightFiles {
  readonly format: "safetensors" | "torch";
  /** Paths, in a fixed order. */
  readonly files: readonly string[];
  /** For shards: which file holds which tensor. */
  readonly fileOfTensor?: ReadonlyMap<string, string>;
}

/** Full precision first, then half; safetensors first, then what `torch.save` wrote. */
const candidates = [
  { format: "safetensors", variant: "" },
  { format: "safetensors", variant: "fp16" },
  { format: "torch", variant: "" },
  { format: "torch", variant: "fp16" },
] as const;

/**
 * Names that a component's weights may have, best first: one file, or an index of shards. The
 * libraries have put the variant before and after `.index` in different versions.
 */
export function weightFileNames(component: string): readonly string[] {
  const names: string[] = [];
  for (const { format, variant } of candidates) {
    const isText = component === "text_encoder";
    const torchStem = isText ? "pytorch_model" : "diffusion_pytorch_model";
    const stem = format === "torch" || !isText ? torchStem : "model";
    const end = format === "torch" ? "bin" : "safetensors";
    if (variant === "") names.push(`${stem}.${end}`, `${stem}.${end}.index.json`);
    else {
      names.push(`${stem}.${variant}.${end}`, `${stem}.${end}.index.${variant}.json`);
      names.push(`${stem}.${variant}.${end}.index.json`);
    }
  }
  return names;
}

/**
 * Finds a component's weights in its folder.
 *
 * @throws RetakeError  `checkpoint-incomplete` if there are none, or a shard is missing;
 *                      `file-malformed` for an index that names a file outside the folder
 */
export async function findWeightFiles(folder: string): Promise<WeightFiles> {
  const present = new Set(await folderNames(folder));
  const names = weightFileNames(basename(folder));
  const name = names.find((candidate) => present.has(candidate));
  if (name === undefined) {
    throw incomplete(`${folder}: expected ${names[0]} or one of its variants, got none of them`);
  }
  const format = name.includes(".bin") ? "torch" : "safetensors";
  if (!name.endsWith(".json")) return { format, files: [join(folder, name)] };
  const fileOfTensor = await readShardIndex(join(folder, name));
  const shards = [...new Set(fileOfTensor.values())].sort();
  const absent = shards.find((shard) => !present.has(shard));
  if (absent !== undefined) {
    throw incomplete(`${join(folder, absent)}: expected this shard, got no file; fetch it again`);
  }
  return { format, files: shards.map((shard) => join(folder, shard)), fileOfTensor };
}

export function incomplete(message: string): RetakeError {
  return new RetakeError(Code.NotFound, "checkpoint-incomplete", message);
}

async function folderNames(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (thrown) {
    const error = fromUnknown(thrown, `reading ${folder}`);
    if (error.reason !== "file-not-found") throw error;
    throw incomplete(`${folder}: expected this folder of a diffusers checkpoint, got none`);
  }
}

/**
 * The shard of each tensor. Shard names must be plain: a name with a slash could reach any file of
 * this machine.
 */
export async function readShardIndex(path: string): Promise<ReadonlyMap<string, string>> {
  const { weight_map: weightMap } = await readJsonObject(path);
  if (!isObject(weightMap)) throw malformed(`${path}: expected an object \`weight_map\``);
  const fileOfTensor = new Map<string, string>();
  for (const [tensor, shard] of Object.entries(weightMap)) {
    if (typeof shard !== "string" || !/^[\w-][\w.-]*$/.test(shard)) {
      throw malformed(`${path}: expected plain file names as shards, got ${shown(shard)}`);
    }
    fileOfTensor.set(tensor, shard);
  }
  return fileOfTensor;
}
