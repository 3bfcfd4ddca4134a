import { readFloat32 } from "@retake/checkpoint";
import { Code, RetakeError } from "@retake/errors";
import { isTemporal, unetInputTensors, unetTensors } from "@retake/model";
import {
  type TemporalStart,
  type TuningMode,
  temporalInitialisation,
  tensorsOfVector,
  trainableTensors,
  type VectorLayout,
  vectorLayout,
} from "@retake/model/tuning";
import type { HostTensor, HostTensors } from "../runtime/engine.js";
import { hostTensor } from "./host-tensors.js";
import type { ModelFiles } from "./model-files.js";

/** What a network starts from, before it is tuned. */
export interface TuningStart {
  readonly seed: number;
  readonly temporalStart: TemporalStart;
}

/**
 * Every tensor that U-Net programs take as an input, as it is before tuning: the checkpoint's
 * queries, and the temporal layers that it lacks.
 *
 * @throws RetakeError  `tensor-missing`, `file-truncated`
 */
export async function startTensors(files: ModelFiles, start: TuningStart): Promise<HostTensors> {
  const { seed, temporalStart } = start;
  const inputs = unetInputTensors(files.unetConfig);
  const temporal = temporalInitialisation(inputs, { seed, start: temporalStart });
  const tensors: Record<string, HostTensor> = {};
  for (const { name, shape } of inputs) {
    const values = isTemporal(name) ? temporal.get(name) : await storedValues(files, name);
    if (values === undefined) throw missing(`no ${name}`);
    tensors[name] = hostTensor(shape, values);
  }
  return tensors;
}

async function storedValues(files: ModelFiles, name: string): Promise<Float32Array> {
  const location = files.weights.unet.get(name);
  if (location === undefined) throw missing(`${files.name} without ${name}`);
  return readFloat32(location);
}

function missing(got: string): RetakeError {
  const message = `unet: expected every tensor that can be tuned, got ${got}`;
  return new RetakeError(Code.InvalidArgument, "tensor-missing", message);
}

/** How the tensors of a mode make up one flat vector. */
export function tuningLayout(
  files: Pick<ModelFiles, "unetConfig">,
  mode: TuningMode,
): VectorLayout {
  return vectorLayout(trainableTensors(unetTensors(files.unetConfig), mode));
}

/** Bytes of what a mode tunes: of a delta, but for its header. */
export function tunedBytes(files: Pick<ModelFiles, "unetConfig">, mode: TuningMode): number {
  return tuningLayout(files, mode).length * Float32Array.BYTES_PER_ELEMENT;
}

/** Copies of the inputs that the tuning does not change. */
export function untuned(layout: VectorLayout, tensors: HostTensors): HostTensors {
  const tuned = new Set(layout.entries.map(({ name }) => name));
  return Object.fromEntries(
    Object.entries(tensors)
      .filter(([name]) => !tuned.has(name))
      .map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]),
  );
}

/** The tensors of a flat vector, as views. */
export function namedTensors(layout: VectorLayout, vector: Float32Array): HostTensors {
  const views = tensorsOfVector(layout, vector);
  return Object.fromEntries(
    layout.entries.map(({ name, shape }) => [
      name,
      hostTensor(shape, views.get(name) ?? new Float32Array()),
    ]),
  );
}
