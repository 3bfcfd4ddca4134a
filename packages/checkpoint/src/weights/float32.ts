import { stat } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "../files/atomic-file.js";
import { type CacheOptions, contentHash, hashOfTexts } from "../files/content-hash.js";
import { fileChunks } from "../files/read-range.js";
import { throwIfStopped } from "../files/stop.js";
import { bytesOfFloat, widenTo } from "../safetensors/half.js";
import {
  openSafetensors,
  type WeightLocation,
  type WeightLocations,
  weightsOf,
} from "../safetensors/read.js";
import { type TensorToWrite, writeSafetensors } from "../safetensors/write.js";
import { byFile } from "./verify.js";

/**
 * The same weights in float32, which is what the CPU engine maps. Weights that all are float32
 * already stay where they are; else one file per content is made in the cache, and every later call
 * and process maps that one.
 *
 * @throws RetakeError  `disk-full`, `output-not-writable`, `file-truncated`
 */
export async function asFloat32(
  weights: WeightLocations,
  options: CacheOptions,
): Promise<WeightLocations> {
  if ([...weights.values()].every((entry) => entry.dtype === "F32")) return weights;
  const folder = join(options.cacheDir, "float32");
  const path = join(folder, `${await contentKey(weights, options)}.safetensors`);
  if (!(await exists(path))) {
    await makeFolder(folder);
    await writeSafetensors(path, widened(weights, options.signal));
  }
  return weightsOf((await openSafetensors(path)).entries);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Names the weights by the content of their files, wherever these lie. */
async function contentKey(weights: WeightLocations, options: CacheOptions): Promise<string> {
  const texts: string[] = [];
  for (const [path, entries] of byFile(weights)) {
    texts.push(await contentHash(path, options));
    for (const [name, { offset, dtype, shape }] of entries) {
      texts.push(`${name} ${offset} ${dtype} ${shape}`);
    }
  }
  return hashOfTexts(texts);
}

function widened(
  weights: WeightLocations,
  signal: AbortSignal | undefined,
): ReadonlyMap<string, TensorToWrite> {
  const tensors = new Map<string, TensorToWrite>();
  for (const [name, entry] of weights) {
    const chunks = (): AsyncGenerator<Uint8Array> => widenedChunks(entry, signal);
    tensors.set(name, { dtype: "F32", shape: entry.shape, chunks });
  }
  return tensors;
}

async function* widenedChunks(
  entry: WeightLocation,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of fileChunks(entry)) {
    throwIfStopped(signal, entry.file);
    const values = new Float32Array(chunk.byteLength / bytesOfFloat[entry.dtype]);
    widenTo(values, chunk, entry.dtype);
    yield new Uint8Array(values.buffer);
  }
}
