import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Code, RetakeError } from "@retake/errors";
import { makeFolder } from "../files/atomic-file.js";
import { type CacheOptions, contentHash } from "../files/content-hash.js";
import { malformed } from "../files/file-errors.js";
import { fileChunks } from "../files/read-range.js";
import { throwIfStopped } from "../files/stop.js";
import { bytesOfFloat, type FloatDtype } from "../safetensors/half.js";
import { shownShape } from "../safetensors/header.js";
import { type TensorStream, writeSafetensors } from "../safetensors/write.js";
import { openTorchFile, type TorchFile } from "./torch-file.js";
import type { TorchTensor } from "./torch-pickle.js";

/**
 * Tensors may share storage, so a small file could ask for a huge one; tied weights need little.
 */
const growthMax = 4;
/** What a tensor with other strides than row-major may take while it is put in order. */
const reorderedBytesMax = 2 ** 30;

/**
 * The same weights as a safetensors file in the cache, named by the content of the file that
 * `torch.save` wrote: that one cannot be mapped. Made once.
 *
 * @returns  its path
 * @throws RetakeError  `pickle-forbidden`, `file-malformed`, `tensor-dtype`, `disk-full`
 */
export async function convertTorchFile(path: string, options: CacheOptions): Promise<string> {
  const folder = join(options.cacheDir, "converted");
  const target = join(folder, `${await contentHash(path, options)}.safetensors`);
  const isMade = await stat(target).then(
    () => true,
    () => false,
  );
  if (isMade) return target;
  const file = await openTorchFile(path);
  const streams = new Map<string, TensorStream>();
  let bytes = 0;
  for (const [name, tensor] of file.tensors) {
    if (name.endsWith("position_ids")) continue;
    const dtype = floatDtype(name, tensor, file.path);
    bytes += countOf(tensor) * bytesOfFloat[dtype];
    const chunks = (): AsyncGenerator<Uint8Array> => tensorChunks(file, tensor, options.signal);
    streams.set(name, { dtype, shape: tensor.shape, chunks });
  }
  const { size } = await stat(file.path);
  if (bytes > size * growthMax) {
    throw malformed(
      `${file.path}: expected at most ${size * growthMax} bytes of tensors, got ${bytes}`,
    );
  }
  await makeFolder(folder);
  await writeSafetensors(target, streams);
  return target;
}

function countOf(tensor: TorchTensor): number {
  return tensor.shape.reduce((product, size) => product * size, 1);
}

function floatDtype(name: string, tensor: TorchTensor, path: string): FloatDtype {
  const { dtype } = tensor.storage;
  if (dtype === "F32" || dtype === "F16" || dtype === "BF16") return dtype;
  const message = `${path}: ${name}: expected F32, F16 or BF16, got ${dtype}; convert it`;
  throw new RetakeError(Code.InvalidArgument, "tensor-dtype", message);
}

/** Row-major: the last axis is the innermost. An axis of one value may have any stride. */
function isContiguous({ shape, strides }: TorchTensor): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] ?? 0;
    if (size !== 1 && strides[axis] !== expected) return false;
    expected *= size;
  }
  return true;
}

async function* tensorChunks(
  file: TorchFile,
  tensor: TorchTensor,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const width = floatDtype("", tensor, file.path) === "F32" ? 4 : 2;
  const base = file.storages.get(tensor.storage.key)?.offset ?? 0;
  const count = countOf(tensor);
  if (count === 0) return;
  const isInOrder = isContiguous(tensor);
  const span = isInOrder ? count : lastIndex(tensor) + 1;
  if (!isInOrder && span * width > reorderedBytesMax) {
    const shape = shownShape(tensor.shape);
    throw malformed(`${file.path}: expected ${shape} in row-major order, got other strides`);
  }
  const range = { file: file.path, offset: base + tensor.start * width, byteLength: span * width };
  const pieces: Uint8Array[] = [];
  for await (const chunk of fileChunks(range)) {
    throwIfStopped(signal, file.path);
    if (isInOrder) yield chunk;
    else pieces.push(chunk.slice());
  }
  if (!isInOrder) yield reordered(Buffer.concat(pieces), tensor, width);
}

/** Of the last value, counted from the tensor's first. */
function lastIndex({ shape, strides }: TorchTensor): number {
  return shape.reduce((sum, size, axis) => sum + (size - 1) * (strides[axis] ?? 0), 0);
}

/** The values in row-major order. */
function reordered(source: Buffer, { shape, strides }: TorchTensor, width: number): Uint8Array {
  const count = shape.reduce((product, size) => product * size, 1);
  const target = Buffer.alloc(count * width);
  const index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let to = 0; to < count; to++) {
    source.copy(target, to * width, from * width, (from + 1) * width);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] ?? 0) + 1;
      from += strides[axis] ?? 0;
      if ((index[axis] ?? 0) < (shape[axis] ?? 0)) break;
      from -= (index[axis] ?? 0) * (strides[axis] ?? 0);
      index[axis] = 0;
    }
  }
  return target;
}
