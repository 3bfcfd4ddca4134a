import { mkdir, statfs } from "node:fs/promises";
import { freemem } from "node:os";
import { readFloat32, type WeightLocations } from "@retake/checkpoint";
import type { HostTensor, HostTensors } from "@retake/gpu-node";
import { parseUNetConfig, type UNetConfig, unetInputTensors, unetTensors } from "@retake/model";
import { differingCount } from "./comparison.js";
import { type GoldenContext, guarded, limitedRow, skippedRow } from "./golden-context.js";
import { type JsonObject, jsonNumbers, jsonObject } from "./json-object.js";
import type { Row, Rows } from "./measurement.js";
import { forwardRows, gradientRows } from "./sd-size-passes.js";
import { namedTensor, openNamedWeights } from "./sd-size-weights.js";

const group = "sd-size";
const bytesPerValue = 4;
/** Measured: what the passes take beside the mapped weights. */
const workMemoryBytes = 8e9;

/** The full-size U-Net, with weights that are made by a rule. */
export async function* sdSizeCases(context: GoldenContext): Rows {
  const file = await context.folder.tensors(group);
  const json = jsonObject(await context.folder.json(group));
  const expected = json.sha256_of_all_weights_in_sorted_name_order_f32le;
  if (file === undefined || typeof expected !== "string") {
    const reason = "there is no sd-size.safetensors with a hash in sd-size.json";
    yield skippedRow({ group, name: "all", reason });
    return;
  }
  const config = parseUNetConfig(json.config);
  yield* ruleRows(config, json);
  const shortage = await findShortage(config, context.cacheDir);
  if (shortage !== undefined) {
    yield skippedRow({ group, name: "passes", reason: shortage });
    return;
  }
  const { cacheDir } = context;
  const { entries } = await openNamedWeights(config, { cacheDir, expected });
  const weights: WeightLocations = new Map(
    [...entries].map(([name, entry]) => [name, { ...entry, dtype: "F32" as const }]),
  );
  const tensors = await inputTensors(config, weights);
  const sdSize = { file, json, config, weights, tensors };
  yield* guarded({ group, name: "forward" }, forwardRows(context, sdSize));
  yield* guarded({ group, name: "gradient" }, gradientRows(context, sdSize));
}

/** The network's size and the first values of some tensors: shows that the rule is understood. */
async function* ruleRows(config: UNetConfig, json: JsonObject): Rows {
  const tensors = unetTensors(config);
  const values = tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const row = (name: string, found: number, reference: unknown): Row =>
    limitedRow({
      group,
      name,
      quantity: "difference in number",
      error: Math.abs(found - Number(reference)),
    });
  yield row("parameters", values, json.parameters);
  yield row("tensors", tensors.length, json.tensors);
  for (const [name, vector] of Object.entries(jsonObject(json.test_vectors))) {
    const reference = jsonNumbers(vector);
    const shape = tensors.find((tensor) => tensor.name === name)?.shape ?? [];
    const found = namedTensor(name, shape).data.slice(0, reference.length);
    const error = differingCount(found, reference);
    yield limitedRow({ group, name, quantity: "values that differ", error });
  }
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Why the machine cannot run the passes, if it cannot. */
async function findShortage(config: UNetConfig, cacheDir: string): Promise<string | undefined> {
  const weightBytes =
    bytesPerValue * unetTensors(config).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  await mkdir(cacheDir, { recursive: true });
  const { bavail, bsize } = await statfs(cacheDir);
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
  const disk = bavail * bsize;
  if (disk < 1.1 * weightBytes) {
    return `needs ${gigabytes(1.1 * weightBytes)} in ${cacheDir}, which has ${gigabytes(disk)}`;
  }
  const memory = availableMemory();
  if (memory >= workMemoryBytes) return undefined;
  return `needs ${gigabytes(workMemoryBytes)} of memory; ${gigabytes(memory)} are free`;
}

function availableMemory(): number {
  return "availableMemory" in process ? process.availableMemory() : freemem();
}

async function inputTensors(config: UNetConfig, weights: WeightLocations): Promise<HostTensors> {
  const tensors: Record<string, HostTensor> = {};
  for (const { name, shape } of unetInputTensors(config)) {
    const entry = weights.get(name);
    if (entry === undefined) throw new Error(`sd-size: the weights have no ${name}`);
    tensors[name] = { shape, data: await readFloat32(entry) };
  }
  return tensors;
}
