import { access, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { openTensorFile, type TensorFile } from "./tensor-file.js";
import { findTolerance, parseTolerances, type Tolerance } from "./tolerances.js";

/** A folder of golden data: the shared one, or another set of the same layout. */
export interface GoldenFolder {
  readonly path: string;
  /** The checkpoint's folder: the one that holds a `model_index.json`. */
  readonly checkpointPath: string;
  /** Opens `NAME.safetensors`, if the set has it. */
  tensors(name: string): Promise<TensorFile | undefined>;
  /** Reads `NAME.json`, if the set has it. */
  json(name: string): Promise<unknown>;
  /** The set's own tolerance for a quantity, if it has one. */
  tolerance(group: string, ...quantity: readonly RegExp[]): Tolerance | undefined;
}

/**
 * Opens a folder of golden data.
 *
 * @throws Error  if it has no tolerances or no checkpoint
 */
export async function openGoldenFolder(path: string): Promise<GoldenFolder> {
  const readJson = async (name: string): Promise<unknown> =>
    JSON.parse(await readFile(join(path, name), "utf8"));
  const rows = parseTolerances(await readJson("tolerance.json"));
  return {
    path,
    checkpointPath: await findCheckpoint(path),
    tensors: async (name) => {
      const file = join(path, `${name}.safetensors`);
      return (await isThere(file)) ? openTensorFile(file) : undefined;
    },
    json: async (name) => {
      return (await isThere(join(path, `${name}.json`))) ? readJson(`${name}.json`) : undefined;
    },
    tolerance: (group, ...quantity) => findTolerance(rows, { group, quantity }),
  };
}

async function findCheckpoint(path: string): Promise<string> {
  for (const name of (await readdir(path)).sort()) {
    const folder = join(path, name);
    if (await isThere(join(folder, "model_index.json"))) return folder;
  }
  throw new Error(`${path}: expected a checkpoint's folder with a model_index.json, got none`);
}

/** Whether a file or folder exists. */
export async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
