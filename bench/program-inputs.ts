import { readFloat32 } from "@retake/checkpoint";
import type { HostTensor, HostTensors, ModelFiles } from "@retake/gpu-node";
import { createProgram, isInputTensor, type ProgramSpec } from "@retake/model";
import { namedTensor } from "../test/golden/sd-size-weights.js";

/**
 * Values for every input of a program: the checkpoint's where it has them, else random. Temporal
 * layers are live: their output weights are not zero, as they are when a tuning starts.
 */
export async function programInputs(files: ModelFiles, spec: ProgramSpec): Promise<HostTensors> {
  const inputs: Record<string, HostTensor> = {};
  for (const { name, shape } of createProgram(spec).inputs) {
    const entry = files.weights.unet.get(name);
    if (entry !== undefined) inputs[name] = { shape, data: await readFloat32(entry) };
    else inputs[name] = namedTensor(isInputTensor(name) ? name : `input.${name}`, shape);
  }
  return inputs;
}
