import {
  checkDelta,
  type DeltaHeader,
  openSafetensors,
  readDelta,
  readFloat32,
  writeDelta,
  writeSafetensors,
} from "@retake/checkpoint";
import { Code, RetakeError } from "@retake/errors";
import type { HostTensor, HostTensors } from "../runtime/engine.js";
import { float32Values, hostTensor } from "./host-tensors.js";
import type { ModelFiles } from "./model-files.js";
import type { TensorSource } from "./open-model.js";
import { startTensors, type TuningStart, tuningLayout } from "./tuned-tensors.js";

export interface TunedDelta {
  readonly tensors: HostTensors;
  readonly header: DeltaHeader;
  /** Says that it was tuned on another base, if so. */
  readonly warning: string | undefined;
}

/**
 * Writes what was tuned, as one file that can be applied to its base.
 *
 * @throws RetakeError  `disk-full`, `output-not-writable`
 */
export async function saveDelta(
  path: string,
  delta: { readonly tensors: HostTensors; readonly header: DeltaHeader },
): Promise<void> {
  await writeDelta(path, { tensors: valuesOf(delta.tensors), header: delta.header });
}

/**
 * Reads what was tuned, and checks that it fits the base.
 *
 * @throws RetakeError  `file-malformed` if it is no delta; `tensor-missing`, `tensor-surplus` or
 *                      `tensor-shape` for a base of other shapes
 */
export async function openDelta(path: string, files: ModelFiles): Promise<TunedDelta> {
  const delta = await readDelta(path);
  const { entries } = tuningLayout(files, delta.header.mode);
  const expected = new Map(entries.map(({ name, shape }) => [name, shape]));
  const fit = checkDelta(delta, { hash: files.hash, expected });
  const tensors: Record<string, HostTensor> = {};
  for (const [name, location] of delta.tensors) {
    tensors[name] = hostTensor(location.shape, await readFloat32(location));
  }
  return { tensors, header: delta.header, warning: fit.sameBase ? undefined : fit.warning };
}

/**
 * Every input tensor of the U-Net, with those of a delta file in place.
 *
 * @returns  reads the files at every call, and throws what `openDelta` and `startTensors` throw
 */
export function tunedTensors(
  files: ModelFiles,
  network: { readonly start: TuningStart; readonly deltaPath: string },
): TensorSource {
  return async () => {
    const { tensors } = await openDelta(network.deltaPath, files);
    return { ...(await startTensors(files, network.start)), ...tensors };
  };
}

/**
 * Writes named tensors as one safetensors file.
 *
 * @throws RetakeError  `disk-full`, `output-not-writable`
 */
export async function writeTensors(path: string, tensors: HostTensors): Promise<void> {
  await writeSafetensors(path, valuesOf(tensors));
}

/**
 * Reads what `writeTensors` wrote.
 *
 * @param names  those that must be there
 * @throws RetakeError  `tensor-missing`, and what `openSafetensors` throws
 */
export async function readTensors<Name extends string>(
  path: string,
  names: readonly Name[],
): Promise<Readonly<Record<Name, HostTensor>>> {
  const { entries } = await openSafetensors(path);
  const tensors: Partial<Record<Name, HostTensor>> = {};
  for (const name of names) {
    const entry = entries.get(name);
    if (entry === undefined) {
      const message = `${path}: expected a tensor ${name}, got none; make the file again`;
      throw new RetakeError(Code.InvalidArgument, "tensor-missing", message);
    }
    tensors[name] = hostTensor(entry.shape, await readFloat32(entry));
  }
  return tensors as Record<Name, HostTensor>;
}

function valuesOf(
  tensors: HostTensors,
): ReadonlyMap<string, { shape: readonly number[]; data: Float32Array }> {
  return new Map(
    Object.entries(tensors).map(([name, tensor]) => [
      name,
      { shape: tensor.shape, data: float32Values(tensor) },
    ]),
  );
}
