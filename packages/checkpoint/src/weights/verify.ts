import { Code, type Reason, RetakeError } from "@retake/errors";
import { type CacheOptions, cachedText, fileIdentity, hashOfTexts } from "../files/content-hash.js";
import { fileChunks } from "../files/read-range.js";
import { throwIfStopped } from "../files/stop.js";
import { bytesOfFloat, firstNotFinite } from "../safetensors/half.js";
import { shownShape } from "../safetensors/header.js";
import type { WeightLocation, WeightLocations } from "../safetensors/read.js";
import { compareText } from "../safetensors/write.js";

const shownNamesMax = 3;

/**
 * Checks that the weights are exactly those a model needs, by name and shape.
 *
 * @param expected  name to shape, of every tensor the model has
 * @param subject   what the weights are, for the message: "unet of runwayml/stable-diffusion-v1-5"
 * @throws RetakeError  `tensor-missing`, `tensor-surplus`, `tensor-shape`; the message names the
 *                      first few
 */
export function verifyTensors(
  weights: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  expected: ReadonlyMap<string, readonly number[]>,
  { subject }: { readonly subject: string },
): void {
  const missing = [...expected.keys()].filter((name) => !weights.has(name));
  const surplus = [...weights.keys()].filter((name) => !expected.has(name));
  const counts = `expected ${expected.size} tensors, got ${weights.size}`;
  if (missing.length > 0) {
    const also = surplus.length > 0 ? `; not known: ${listed(surplus)}` : "";
    throw refused("tensor-missing", `${subject}: ${counts}; missing: ${listed(missing)}${also}`);
  }
  if (surplus.length > 0) {
    throw refused("tensor-surplus", `${subject}: ${counts}; not known: ${listed(surplus)}`);
  }
  const misshaped: string[] = [];
  for (const [name, shape] of expected) {
    const got = weights.get(name)?.shape ?? [];
    if (got.length !== shape.length || got.some((size, axis) => size !== shape[axis])) {
      misshaped.push(`${name}: expected ${shownShape(shape)}, got ${shownShape(got)}`);
    }
  }
  if (misshaped.length > 0) {
    throw refused("tensor-shape", `${subject}: ${listed(misshaped, "; ")}`);
  }
}

function refused(reason: Reason, message: string): RetakeError {
  return new RetakeError(Code.InvalidArgument, reason, `${message}; does the config fit the file?`);
}

function listed(items: readonly string[], separator = ", "): string {
  const more = items.length - shownNamesMax;
  const shown = items.slice(0, shownNamesMax).join(separator);
  return more > 0 ? `${shown} and ${more} more` : shown;
}

/**
 * Reads all weights once and refuses NaN and infinity. The verdict is kept by file identity, so
 * that a file of 4 GB is not read again.
 *
 * @throws RetakeError  `tensor-not-finite`, naming the first such tensor; `file-truncated`
 */
export async function verifyFinite(weights: WeightLocations, options: CacheOptions): Promise<void> {
  const key = await weightsIdentity(weights);
  await cachedText(["finite", key], options.cacheDir, async () => {
    for (const entries of byFile(weights).values()) {
      for (const [name, entry] of entries) await assertFinite(name, entry, options.signal);
    }
    return "every value is finite";
  });
}

async function assertFinite(
  name: string,
  entry: WeightLocation,
  signal: AbortSignal | undefined,
): Promise<void> {
  let position = 0;
  for await (const chunk of fileChunks(entry)) {
    throwIfStopped(signal, entry.file);
    const index = firstNotFinite(chunk, entry.dtype);
    if (index >= 0) throw notFinite(name, entry, position + index);
    position += chunk.byteLength / bytesOfFloat[entry.dtype];
  }
}

function notFinite(name: string, entry: WeightLocation, position: number): RetakeError {
  const at = `value ${position} of ${shownShape(entry.shape)}`;
  const message = `${entry.file}: ${name}: expected finite values, got NaN or infinity at ${at}`;
  return new RetakeError(Code.InvalidArgument, "tensor-not-finite", `${message}; fetch it again`);
}

/** Names the weights and the very files they lie in. */
async function weightsIdentity(weights: WeightLocations): Promise<string> {
  const texts: string[] = [];
  for (const [path, entries] of byFile(weights)) {
    texts.push(await fileIdentity(path));
    for (const [name, { offset, dtype, shape }] of entries) {
      texts.push(`${name} ${offset} ${dtype} ${shape}`);
    }
  }
  return hashOfTexts(texts);
}

/** The weights by the file they lie in, in the order of their places. */
export function byFile(
  weights: WeightLocations,
): ReadonlyMap<string, readonly (readonly [string, WeightLocation])[]> {
  const files = new Map<string, [string, WeightLocation][]>();
  const ordered = [...weights].sort(
    ([, a], [, b]) => compareText(a.file, b.file) || a.offset - b.offset,
  );
  for (const [name, entry] of ordered) {
    const list = files.get(entry.file);
    if (list === undefined) files.set(entry.file, [[name, entry]]);
    else list.push([name, entry]);
  }
  return files;
}
