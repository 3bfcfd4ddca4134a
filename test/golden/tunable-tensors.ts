import { readFloat32 } from "@retake/checkpoint";
import type { HostTensor, HostTensors } from "@retake/gpu-node";
import { isTemporal, unetInputTensors } from "@retake/model";
import type { GoldenFolder } from "./golden-folder.js";
import type { GoldenModel } from "./golden-model.js";

/** Which temporal tensors: as stored, or as the authors' training starts from. */
export const temporalSets = ["live", "init"] as const;
export type TemporalSet = (typeof temporalSets)[number];

/** Names a set that a golden file asks for. */
export function temporalSet(name: unknown): TemporalSet {
  const found = temporalSets.find((candidate) => candidate === name);
  if (found === undefined) throw new Error(`there is no temporal set ${String(name)}`);
  return found;
}

/**
 * The tensors that U-Net programs take as inputs: those of the checkpoint, and the temporal ones of
 * `temporal.safetensors`. The set `init` has the authors' start values: output weight zero, norm
 * of gain one; the output bias is as stored.
 */
export async function tunableTensors(
  model: GoldenModel,
  folder: GoldenFolder,
): Promise<Readonly<Record<TemporalSet, HostTensors>>> {
  const stored = await folder.tensors("temporal");
  if (stored === undefined) throw new Error(`${folder.path}: expected temporal.safetensors`);
  const live: Record<string, HostTensor> = {};
  const init: Record<string, HostTensor> = {};
  for (const { name, shape } of unetInputTensors(model.unetConfig)) {
    const entry = model.unetWeights.get(name);
    if (isTemporal(name)) {
      live[name] = await stored.tensor(name);
      init[name] = started(name, live[name]);
    } else if (entry !== undefined) {
      live[name] = { shape, data: await readFloat32(entry) };
      init[name] = live[name];
    } else throw new Error(`the checkpoint's U-Net has no ${name}`);
  }
  return { live, init };
}

function started(name: string, stored: HostTensor): HostTensor {
  const { shape, data } = stored;
  const filled = (value: number): HostTensor => ({
    shape,
    data: new Float32Array(data.length).fill(value),
  });
  if (name.includes("attn_temp.to_out.0.weight")) return filled(0);
  if (name.endsWith("norm_temp.weight")) return filled(1);
  if (name.endsWith("norm_temp.bias")) return filled(0);
  return stored;
}
