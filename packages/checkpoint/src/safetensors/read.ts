import { Code, RetakeError } from "@retake/errors";
import { readInto, withOpenFile } from "../files/read-range.js";
import { type FloatDtype, widenTo } from "./half.js";
import { decodeHeaderLength, parseHeader, prefixBytes, type TensorRange } from "./header.js";

/** A tensor in a file. */
export interface TensorEntry extends TensorRange {
  /** Absolute real path. */
  readonly file: string;
}

/** Where a weight's bytes lie: a tensor entry of a type that holds weights. */
export interface WeightLocation extends TensorEntry {
  readonly dtype: FloatDtype;
}
export type WeightLocations = ReadonlyMap<string, WeightLocation>;

export interface SafetensorsFile {
  /** Absolute real path. */
  readonly path: string;
  readonly metadata: ReadonlyMap<string, string>;
  readonly entries: ReadonlyMap<string, TensorEntry>;
}

/**
 * Opens a safetensors file: reads and checks its header; the data stays where it is.
 *
 * @throws RetakeError  `file-not-found`, `file-unreadable`, `file-truncated`, `file-malformed`,
 *                      `header-too-large`, `tensor-dtype`
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  return withOpenFile(path, async (file) => {
    const label = file.path;
    const prefix = new Uint8Array(Math.min(prefixBytes, file.size));
    await readInto(file, prefix, 0);
    const bytes = new Uint8Array(decodeHeaderLength(prefix, { label, size: file.size }));
    await readInto(file, bytes, prefixBytes);
    const { metadata, tensors } = parseHeader(bytes, { label, size: file.size });
    const entries = new Map<string, TensorEntry>();
    for (const [name, range] of tensors) entries.set(name, { file: file.path, ...range });
    return { path: file.path, metadata, entries };
  });
}

/** Whether a tensor's type is one that holds weights. */
export function isWeight(entry: TensorEntry): entry is WeightLocation {
  return entry.dtype === "F32" || entry.dtype === "F16" || entry.dtype === "BF16";
}

/**
 * The weights among a file's tensors. Old text encoders also store their token positions: those are
 * skipped; any other tensor of integers is refused.
 *
 * @throws RetakeError  `tensor-dtype`
 */
export function weightsOf(entries: ReadonlyMap<string, TensorEntry>): Map<string, WeightLocation> {
  const weights = new Map<string, WeightLocation>();
  for (const [name, entry] of entries) {
    if (name.endsWith("position_ids")) continue;
    if (isWeight(entry)) weights.set(name, entry);
    else {
      const message = `${entry.file}: ${name}: expected F32, F16 or BF16, got ${entry.dtype}`;
      throw new RetakeError(Code.InvalidArgument, "tensor-dtype", `${message}; convert it`);
    }
  }
  return weights;
}

/**
 * A tensor's values in float32; F16 and BF16 are widened exactly.
 *
 * @throws RetakeError  `tensor-dtype` if it holds no weights; `file-truncated`, `file-not-found`
 */
export async function readFloat32(entry: TensorEntry): Promise<Float32Array> {
  if (!isWeight(entry)) {
    const message = `${entry.file}: expected a tensor of F32, F16 or BF16, got ${entry.dtype}`;
    throw new RetakeError(Code.InvalidArgument, "tensor-dtype", message);
  }
  return withOpenFile(entry.file, async (file) => {
    const bytes = new Uint8Array(entry.byteLength);
    await readInto(file, bytes, entry.offset);
    if (entry.dtype === "F32") return new Float32Array(bytes.buffer);
    const values = new Float32Array(entry.byteLength / 2);
    widenTo(values, bytes, entry.dtype);
    return values;
  });
}
