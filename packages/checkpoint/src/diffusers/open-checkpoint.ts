import { readdir, realpath, stat } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import { type CacheOptions, contentHash, hashOfTexts } from "../files/content-hash.js";
import { malformed } from "../files/file-errors.js";
import { readJsonObject } from "../files/read-json.js";
import { convertTorchFile } from "../pickle/convert-torch.js";
import {
  openSafetensors,
  type WeightLocation,
  type WeightLocations,
  weightsOf,
} from "../safetensors/read.js";
import { compareText } from "../safetensors/write.js";
import { findWeightFiles, incomplete, type WeightFiles } from "./weight-files.js";
import { textEncoderWeights, vaeWeights } from "./weight-names.js";

/** A JSON object as a file holds it; whoever uses a value decodes it. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A pretrained base model on disk, in the layout of the diffusers library. */
export interface Checkpoint {
  /** Absolute real path of the folder. */
  readonly root: string;
  /** What to call it: the hub id, or the folder's name. */
  readonly name: string;
  /** SHA-256 over the content of all files that the model consists of. */
  readonly hash: string;
  readonly configs: {
    readonly modelIndex: JsonObject;
    readonly unet: JsonObject;
    readonly vae: JsonObject;
    readonly textEncoder: JsonObject;
    readonly scheduler: JsonObject;
  };
  readonly weights: {
    readonly unet: WeightLocations;
    readonly vae: WeightLocations;
    readonly textEncoder: WeightLocations;
  };
  readonly tokenizerFolder: string;
  /** The folder's `retake.json`: settings that suit this checkpoint. */
  readonly card: JsonObject | undefined;
}

/**
 * Opens a checkpoint folder: reads the configs and the headers of the weights, and hashes the
 * files.
 *
 * @throws RetakeError  `file-not-found`; `checkpoint-incomplete`; what `openSafetensors` throws
 */
export async function openCheckpointFolder(
  path: string,
  options: CacheOptions & { readonly name?: string },
): Promise<Checkpoint> {
  const root = await folderPath(path);
  const json = (...parts: string[]): Promise<JsonObject> => part(root, ...parts);
  const configs = {
    modelIndex: await json("model_index.json"),
    unet: await json("unet", "config.json"),
    vae: await json("vae", "config.json"),
    textEncoder: await json("text_encoder", "config.json"),
    scheduler: await json("scheduler", "scheduler_config.json"),
  };
  const files = {
    unet: await findWeightFiles(join(root, "unet")),
    vae: await findWeightFiles(join(root, "vae")),
    textEncoder: await findWeightFiles(join(root, "text_encoder")),
  };
  const tokenizerFolder = join(root, "tokenizer");
  const weights = {
    unet: await openWeights(files.unet, options),
    vae: vaeWeights(await openWeights(files.vae, options)),
    textEncoder: textEncoderWeights(await openWeights(files.textEncoder, options)),
  };
  const hashed = [
    ...Object.values(files).flatMap((found) => found.files),
    ...["unet", "vae", "text_encoder"].map((folder) => join(root, folder, "config.json")),
    join(root, "scheduler", "scheduler_config.json"),
    ...(await tokenizerFiles(tokenizerFolder)),
  ];
  const hash = await hashOfFiles(root, hashed, options);
  const card = await readCard(root);
  const name = options.name ?? basename(root);
  return { root, name, hash, configs, weights, tokenizerFolder, card };
}

async function folderPath(path: string): Promise<string> {
  try {
    const root = await realpath(path);
    if ((await stat(root)).isDirectory()) return root;
  } catch (thrown) {
    throw fromUnknown(thrown, `opening the checkpoint ${path}`);
  }
  throw malformed(`${path}: expected the folder of a diffusers checkpoint, got a file`);
}

/** A JSON file that every checkpoint has. */
async function part(root: string, ...parts: string[]): Promise<JsonObject> {
  const path = join(root, ...parts);
  try {
    return await readJsonObject(path);
  } catch (thrown) {
    const isAbsent = thrown instanceof RetakeError && thrown.reason === "file-not-found";
    if (!isAbsent) throw thrown;
    throw incomplete(`${path}: expected this file of a diffusers checkpoint, got none`);
  }
}

async function readCard(root: string): Promise<JsonObject | undefined> {
  try {
    return await readJsonObject(join(root, "retake.json"));
  } catch (thrown) {
    if (thrown instanceof RetakeError && thrown.reason === "file-not-found") return undefined;
    throw thrown;
  }
}

async function tokenizerFiles(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch((): string[] => []);
  for (const name of ["vocab.json", "merges.txt"]) {
    if (!names.includes(name)) {
      throw incomplete(`${join(folder, name)}: expected this file of the tokenizer, got none`);
    }
  }
  return ["vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"]
    .filter((name) => names.includes(name))
    .map((name) => join(folder, name));
}

async function openWeights(found: WeightFiles, options: CacheOptions): Promise<WeightLocations> {
  const weights = new Map<string, WeightLocation>();
  for (const path of found.files) {
    const mapped = found.format === "torch" ? await convertTorchFile(path, options) : path;
    const { entries } = await openSafetensors(mapped);
    for (const [name, entry] of weightsOf(entries)) {
      if (weights.has(name)) throw malformed(`${path}: ${name}: expected in one shard, got two`);
      weights.set(name, entry);
    }
  }
  for (const [name, shard] of found.fileOfTensor ?? []) {
    if (weights.has(name) || name.endsWith("position_ids")) continue;
    const message = `${name}: expected in ${shard} as the index says, got none; fetch it again`;
    throw new RetakeError(Code.InvalidArgument, "tensor-missing", message);
  }
  return weights;
}

async function hashOfFiles(
  root: string,
  paths: readonly string[],
  options: CacheOptions,
): Promise<string> {
  const lines: string[] = [];
  for (const path of paths) {
    const real = await realpath(path);
    lines.push(`${relative(root, path)} ${await contentHash(real, options)}`);
  }
  return hashOfTexts(lines.sort(compareText));
}
