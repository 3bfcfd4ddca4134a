import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { openSafetensors, type SafetensorsFile, writeSafetensors } from "@retake/checkpoint";
import { type UNetConfig, unetTensors, type WeightSpec } from "@retake/model";
import { isThere } from "./golden-folder.js";

/** Values made at once: 4 MiB. */
const chunkValues = 1 << 20;
const indexStep = 0x9e3779b9;

/** FNV-1a, 32 bit, of a name. */
export function nameSeed(name: string): number {
  let hash = 2166136261;
  for (const byte of new TextEncoder().encode(name)) {
    hash = Math.imul(hash ^ byte, 16777619);
  }
  return hash >>> 0;
}

/** Offset and amplitude of a tensor's values, by the rule of the golden data's README. */
function spreadOf(name: string, shape: readonly number[]): { offset: number; amplitude: number } {
  if (name.startsWith("input.")) return { offset: 0, amplitude: Math.sqrt(3) };
  if (shape.length === 1) {
    return name.endsWith(".weight")
      ? { offset: 1, amplitude: 0.1 }
      : { offset: 0, amplitude: 0.05 };
  }
  const inputs = shape.slice(1).reduce((product, size) => product * size, 1);
  return { offset: 0, amplitude: Math.sqrt(3 / inputs) };
}

/** Values `begin` ... `end - 1` of a tensor that needs no file. */
export function namedValues(
  tensor: { readonly name: string; readonly shape: readonly number[] },
  range: { readonly begin: number; readonly end: number },
): Float32Array {
  const { offset, amplitude } = spreadOf(tensor.name, tensor.shape);
  const values = new Float32Array(range.end - range.begin);
  let counter = (nameSeed(tensor.name) + Math.imul(range.begin, indexStep)) | 0;
  for (let i = 0; i < values.length; i += 1) {
    let x = counter;
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
    x ^= x >>> 16;
    values[i] = offset + amplitude * ((x >>> 8) / 8388608 - 1);
    counter = (counter + indexStep) | 0;
  }
  return values;
}

/** A whole tensor that needs no file. */
export function namedTensor(
  name: string,
  shape: readonly number[],
): { readonly shape: readonly number[]; readonly data: Float32Array } {
  const end = shape.reduce((product, size) => product * size, 1);
  return { shape, data: namedValues({ name, shape }, { begin: 0, end }) };
}

/**
 * The file of all weights, made in the cache if it is not there yet; 3.6 GB at the size of Stable
 * Diffusion 1.x.
 *
 * @param expected  SHA-256 of all values, in the order of their names, as the golden data has it
 * @throws Error    if the values are others
 */
export async function openNamedWeights(
  config: UNetConfig,
  options: { readonly cacheDir: string; readonly expected: string },
): Promise<SafetensorsFile> {
  const { cacheDir, expected } = options;
  const path = join(cacheDir, "golden", `named-${expected.slice(0, 16)}.safetensors`);
  if (!(await isThere(path))) await writeNamedWeights(path, unetTensors(config), expected);
  return openSafetensors(path);
}

/** Writes the weights tensor by tensor; nothing appears under the name if the hash is another. */
async function writeNamedWeights(
  path: string,
  tensors: readonly WeightSpec[],
  expected: string,
): Promise<void> {
  const hash = createHash("sha256");
  const sorted = tensors.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const last = sorted.at(-1);
  async function* chunks(tensor: WeightSpec): AsyncGenerator<Uint8Array> {
    const count = tensor.shape.reduce((product, size) => product * size, 1);
    for (let begin = 0; begin < count; begin += chunkValues) {
      const end = Math.min(begin + chunkValues, count);
      const bytes = new Uint8Array(namedValues(tensor, { begin, end }).buffer);
      hash.update(bytes);
      yield bytes;
    }
    if (tensor !== last) return;
    const found = hash.digest("hex");
    if (found !== expected) throw new Error(`weights: expected the hash ${expected}, got ${found}`);
  }
  const streams = sorted.map((tensor) => {
    const { shape } = tensor;
    return [tensor.name, { dtype: "F32", shape, chunks: () => chunks(tensor) } as const] as const;
  });
  await mkdir(dirname(path), { recursive: true });
  await writeSafetensors(path, new Map(streams));
}
