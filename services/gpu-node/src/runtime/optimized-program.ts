import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { ProgramCache } from "./program-cache.js";

/** Of all programs that are kept, their weights with them. */
const keptBytesMax = 512 * 2 ** 20;

/** A program that is to be opened, and what it depends on besides. */
export interface OptimizedTerms {
  readonly model: Uint8Array;
  readonly options: ort.InferenceSession.SessionOptions;
  /** SHA-256 of the files with the weights that the program has copies of. */
  readonly weightHashes: readonly string[];
  /** ONNX Runtime's version and the instruction sets: convolutions are blocked for them. */
  readonly machine: readonly string[];
}

/**
 * Opens a program as ONNX Runtime's optimizer left it, or has it optimized and keeps that: without
 * the optimizer, opening takes half the time, and gives the same bits. What is kept holds copies of
 * the weights, so that this is for tiny networks.
 *
 * @param folder  of what is kept; one that cannot be written costs time only
 */
export async function openOptimized(
  { model, options, weightHashes, machine }: OptimizedTerms,
  folder: string,
): Promise<ort.InferenceSession> {
  const terms = JSON.stringify([options, weightHashes, machine]);
  const key = createHash("sha256").update(terms).update(model).digest("hex");
  const cache = new ProgramCache(folder, { bytesMax: keptBytesMax });
  const kept = await cache.read(key);
  if (kept !== undefined) {
    return ort.InferenceSession.create(kept, { ...options, graphOptimizationLevel: "disabled" });
  }
  const isMade = await mkdir(folder, { recursive: true }).then(
    () => true,
    () => false,
  );
  if (!isMade) return ort.InferenceSession.create(model, options);
  const path = join(folder, `${key}.${randomUUID()}.tmp`);
  try {
    const saving = { ...options, optimizedModelFilePath: path };
    const session = await ort.InferenceSession.create(model, saving);
    await cache.write(key, await readFile(path)).catch(() => {});
    return session;
  } catch {
    // A folder that is read-only or full; if it is anything else, this says what.
    return await ort.InferenceSession.create(model, options);
  } finally {
    await rm(path, { force: true });
  }
}

/** Of the first core; undefined where the system does not tell. */
export function instructionSets(): string | undefined {
  try {
    return /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.trim();
  } catch {
    return undefined;
  }
}
