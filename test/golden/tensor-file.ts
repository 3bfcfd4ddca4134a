import { open } from "node:fs/promises";
import { openSafetensors, readFloat32, type SafetensorsFile } from "@retake/checkpoint";
import type { HostTensor } from "@retake/gpu-node";
import { type JsonObject, jsonObject } from "./json-object.js";

/** Numbers of whatever type the file holds. */
export type Numbers = Float32Array | Float64Array | Int32Array | Uint8Array;

/** An open safetensors file of the golden data. */
export interface TensorFile {
  readonly names: readonly string[];
  /** What the generator wrote about the file. */
  readonly info: JsonObject;
  has(name: string): boolean;
  shape(name: string): readonly number[];
  /** Integers come as float64, which holds all that occur. */
  values(name: string): Promise<Numbers>;
  tensor(name: string): Promise<HostTensor>;
}

type TensorEntry =
  SafetensorsFile["entries"] extends ReadonlyMap<string, infer Entry> ? Entry : never;

/** Opens a file of the golden data, of any of the types that occur there. */
export async function openTensorFile(path: string): Promise<TensorFile> {
  const { entries, metadata } = await openSafetensors(path);
  const entryOf = (name: string): TensorEntry => {
    const entry = entries.get(name);
    if (entry === undefined) throw new Error(`${path}: expected a tensor ${name}, got none`);
    return entry;
  };
  return {
    names: [...entries.keys()].sort(),
    info: jsonObject(JSON.parse(metadata.get("info") ?? "{}")),
    has: (name) => entries.has(name),
    shape: (name) => entryOf(name).shape,
    values: (name) => readValues(entryOf(name)),
    tensor: async (name) => {
      const entry = entryOf(name);
      return { shape: entry.shape, data: await readFloat32(entry) };
    },
  };
}

async function readValues(entry: TensorEntry): Promise<Numbers> {
  switch (entry.dtype) {
    case "F64":
      return new Float64Array(await readBytes(entry));
    case "I64":
      return Float64Array.from(new BigInt64Array(await readBytes(entry)), Number);
    case "I32":
      return new Int32Array(await readBytes(entry));
    case "U8":
      return new Uint8Array(await readBytes(entry));
    default:
      return readFloat32(entry);
  }
}

async function readBytes(entry: TensorEntry): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(entry.byteLength);
  const handle = await open(entry.file);
  try {
    await handle.read(bytes, 0, bytes.length, entry.offset);
    return bytes.buffer;
  } finally {
    await handle.close();
  }
}
