import { type LoweringOptions, lowerToOnnx, traceProgram } from "@retake/compile";
import { attentionKernel, type Program } from "@retake/model";
import * as tf from "@tensorflow/tfjs-core";
import type { HostTensors } from "./engine.js";

/** Queries and keys enough that a fused kernel works in several tiles. */
const heads = 2;
const tokens = 48;
const contextTokens = 40;

/** Kernels are written for one width of a head: a small one, and those of Stable Diffusion 1.x. */
export const checkedHeadChannels = [8, 40, 80, 160] as const;

/** The largest error, of the largest value, that precision explains: TF32 is off by 1e-3. */
const relativeErrorMax = 4e-3;

function attentionProgram(headChannels: number): Program {
  const inputs = Object.entries(attentionInputs(headChannels));
  const dtype = "float32";
  return {
    inputs: inputs.map(([name, { shape }]) => ({ name, shape, dtype })),
    weights: [],
    outputs: [{ name: "out", shape: [1, tokens, heads * headChannels], dtype }],
    call: ({ input }) => {
      const inputs = { query: input("query"), key: input("key"), value: input("value") };
      return { out: tf.engine().runKernel<tf.Tensor>(attentionKernel, inputs, { heads }) };
    },
  };
}

/** Numbers in -2...2 without a pattern that attention could hide. */
function numbers(count: number, seed: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => 2 * Math.sin(seed + i * i * 0.37 + i));
}

interface AttentionInputs {
  readonly query: FloatTensor;
  readonly key: FloatTensor;
  readonly value: FloatTensor;
}

interface FloatTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

function attentionInputs(headChannels: number): AttentionInputs {
  const tensor = (rows: number, seed: number): FloatTensor => {
    const shape = [1, rows, heads * headChannels];
    return { shape, data: numbers(rows * heads * headChannels, seed) };
  };
  return {
    query: tensor(tokens, 1),
    key: tensor(contextTokens, 2),
    value: tensor(contextTokens, 3),
  };
}

/** One head's attention of one token, in double precision. */
function attended(
  { query, key, value }: AttentionInputs,
  at: { readonly token: number; readonly head: number },
): number[] {
  const channels = query.shape[2] ?? 0;
  const own = channels / heads;
  const row = (tensor: FloatTensor, token: number): Float32Array => {
    const begin = token * channels + at.head * own;
    return tensor.data.subarray(begin, begin + own);
  };
  const q = row(query, at.token);
  const keys = Array.from({ length: contextTokens }, (_, token) => token);
  const scores = keys.map((token) => {
    const k = row(key, token);
    return q.reduce((sum, x, c) => sum + x * (k[c] ?? 0), 0) / Math.sqrt(own);
  });
  const largest = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - largest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const out = new Array<number>(own).fill(0);
  for (const token of keys) {
    const share = (weights[token] ?? 0) / total;
    row(value, token).forEach((x, c) => {
      out[c] = (out[c] ?? 0) + share * x;
    });
  }
  return out;
}

function attentionReference(headChannels: number): number[] {
  const inputs = attentionInputs(headChannels);
  return Array.from({ length: tokens * heads }, (_, i) =>
    attended(inputs, { token: Math.floor(i / heads), head: i % heads }),
  ).flat();
}

/** The model that `checkAttention` wants run; `fused` takes the device's own attention kernel. */
export function attentionModel(
  headChannels: number,
  how: Pick<LoweringOptions, "target" | "attention">,
): Uint8Array {
  return lowerToOnnx(traceProgram(attentionProgram(headChannels)), {
    ...how,
    weights: (name) => {
      throw new Error(`attention: there is no weight ${name}`);
    },
  });
}

/** What an engine's attention kernel was found to be worth. */
export interface AttentionFinding {
  /** Largest error, relative to the largest value. */
  readonly error: number;
  readonly isRight: boolean;
  /** The kernel's own bits. */
  readonly output: Float32Array;
}

/**
 * Runs the fused attention of a device on numbers with a known answer. Some drivers get it wrong
 * without a word: on Mesa's lavapipe, whose subgroups have 8 lanes, ONNX Runtime's kernel for
 * WebGPU is off by 3 to 30 %.
 */
export async function checkAttention(
  headChannels: number,
  run: (inputs: HostTensors) => Promise<Float32Array>,
): Promise<AttentionFinding> {
  const output = await run({ ...attentionInputs(headChannels) });
  const wanted = attentionReference(headChannels);
  const largest = Math.max(...wanted.map(Math.abs));
  const off = wanted.map((value, i) => Math.abs(value - (output[i] ?? Number.NaN)));
  const error = Math.max(...off) / largest;
  return { error, isRight: error <= relativeErrorMax, output };
}
