import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Program,
  type UNetConfig,
  type UNetGradientsSpec,
  type UNetShape,
  unetTensors,
} from "@retake/model";
import * as tf from "@tensorflow/tfjs";
import type { HostTensor, HostTensors, WeightLocation, WeightLocations } from "../engine.js";

/**
 * Two levels, each with a transformer on one side of the U: small enough to run hundreds of times.
 */
export const smallConfig: UNetConfig = {
  inChannels: 4,
  outChannels: 4,
  blockOutChannels: [8, 16],
  downAttention: [true, false],
  upAttention: [false, true],
  layersPerBlock: 1,
  heads: [2, 4],
  crossAttentionDim: 6,
  normGroups: 4,
  normEps: 1e-5,
  flipSinToCos: true,
  freqShift: 0,
  downsamplePadding: 1,
};

/** What the paper tunes. */
export const smallTrainable = unetTensors(smallConfig)
  .map(({ name }) => name)
  .filter((name) => /\.(attn1|attn2)\.to_q\.|\.attn_temp\./.test(name));

export function smallGradients(
  shape: Partial<UNetShape> = {},
  memory: UNetGradientsSpec["memory"] = "fast",
): UNetGradientsSpec {
  const whole = { batch: 1, frames: 2, height: 4, width: 4, promptTokens: 3, ...shape };
  const config = smallConfig;
  return { kind: "unet-gradients", config, shape: whole, trainable: smallTrainable, memory };
}

const elements = (shape: readonly number[]): number => shape.reduce((n, size) => n * size, 1);

/** Numbers between -1 and 1 that depend on a seed only. */
export function noiseOf(shape: readonly number[], seed: number): HostTensor {
  let state = (seed * 2654435761 + 12345) >>> 0;
  const data = Float32Array.from({ length: elements(shape) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  return { shape, data };
}

/** Numbers for every input of a program. */
export function inputsFor(program: Program, seed = 1): HostTensors {
  const inputs = program.inputs.map(({ name, shape }, i) => [name, noiseOf(shape, seed * 997 + i)]);
  return Object.fromEntries(inputs) as HostTensors;
}

/** A file with every weight of the small U-Net, in a folder of its own. */
export interface SmallCheckpoint {
  readonly locations: WeightLocations;
  readonly find: (name: string) => HostTensor;
  readonly remove: () => void;
}

export function createSmallCheckpoint(): SmallCheckpoint {
  const folder = mkdtempSync(join(tmpdir(), "retake-runtime-"));
  const file = join(folder, "weights");
  const locations = new Map<string, WeightLocation>();
  const stored = new Map<string, HostTensor>();
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const [i, { name, shape }] of unetTensors(smallConfig).entries()) {
    const noise = noiseOf(shape, 7000 + i);
    const scale = shape.length > 1 ? 1 / Math.sqrt(elements(shape.slice(1))) : 0.3;
    const shift = /norm[^.]*\.weight$/.test(name) ? 1 : 0;
    const data = Float32Array.from(noise.data, (x) => shift + scale * x);
    const bytes = new Uint8Array(data.buffer);
    stored.set(name, { shape, data });
    locations.set(name, { file, offset, byteLength: bytes.length, dtype: "F32", shape });
    parts.push(bytes);
    offset += bytes.length;
  }
  writeFileSync(file, Buffer.concat(parts));
  const find = (name: string): HostTensor => {
    const tensor = stored.get(name);
    if (tensor === undefined) throw new Error(`there is no weight ${name}`);
    return tensor;
  };
  return { locations, find, remove: () => rmSync(folder, { recursive: true }) };
}

/** What a program gives on TensorFlow.js's plain backend: the oracle. */
export async function plainResults(
  program: Program,
  inputs: HostTensors,
  weight: (name: string) => HostTensor,
): Promise<Record<string, HostTensor>> {
  await tf.setBackend("cpu");
  return tf.tidy(() => {
    const tensorOf = ({ shape, data }: HostTensor): tf.Tensor => tf.tensor(data, [...shape]);
    const results = program.call({
      input: (name) => tensorOf(inputs[name] ?? { shape: [], data: new Float32Array(0) }),
      weight: (name) => tensorOf(weight(name)),
    });
    const host = Object.entries(results).map(([name, tensor]) => {
      return [name, { shape: tensor.shape, data: tensor.dataSync<"float32">().slice() }] as const;
    });
    return Object.fromEntries(host);
  });
}
