import { type LoweringOptions, lowerToOnnx, traceProgram } from "@retake/compile";
import { attentionKernel, type Program } from "@retake/model";
import * as tf from "@tensorflow/tfjs";
import type { HostTensors } from "./engine.js";

/** Queries and keys enough that a fused kernel works in several tiles. */
const heads = 2;
const headChannels = 8;
const tokens = 48;
const contextTokens = 40;
const channels = heads * headChannels;

/** The largest error, of the largest value, that precision explains: TF32 is off by 1e-3. */
const relativeErrorMax = 4e-3;

const shapes = {
  query: [1, tokens, channels],
  key: [1, contextTokens, channels],
  value: [1, contextTokens, channels],
} as const;

function attentionProgram(): Program {
  return {
    inputs: Object.entries(shapes).map(([name, shape]) => ({ name, shape, dtype: "float32" })),
    weights: [],
    outputs: [{ name: "out", shape: shapes.query, dtype: "float32" }],
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

function attentionInputs(): Record<keyof typeof shapes, Float32Array> {
  return {
    query: numbers(tokens * channels, 1),
    key: numbers(contextTokens * channels, 2),
    value: numbers(contextTokens * channels, 3),
  };
}

/** Attention of one head's query, in double precision, added into `out`. */
function attend(
  inputs: ReturnType<typeof attentionInputs>,
  out: Float64Array,
  at: { readonly token: number; readonly from: number },
): void {
  const { token, from } = at;
  const inner = Array.from({ length: headChannels }, (_, c) => from + c);
  const scores = Array.from({ length: contextTokens }, (_, key) => {
    const products = inner.map(
      (c) => (inputs.query[token * channels + c] ?? 0) * (inputs.key[key * channels + c] ?? 0),
    );
    return products.reduce((sum, product) => sum + product, 0) / Math.sqrt(headChannels);
  });
  const largest = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - largest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  for (const c of inner) {
    const sum = weights.reduce(
      (part, weight, key) => part + weight * (inputs.value[key * channels + c] ?? 0),
      0,
    );
    out[token * channels + c] = sum / total;
  }
}

function attentionReference(): Float64Array {
  const out = new Float64Array(tokens * channels);
  const inputs = attentionInputs();
  for (let token = 0; token < tokens; token += 1) {
    for (let from = 0; from < channels; from += headChannels) attend(inputs, out, { token, from });
  }
  return out;
}

/** The model that `checkAttention` wants run; `fused` takes the device's own attention kernel. */
export function attentionModel(how: Pick<LoweringOptions, "target" | "attention">): Uint8Array {
  return lowerToOnnx(traceProgram(attentionProgram()), {
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
  run: (inputs: HostTensors) => Promise<Float32Array>,
): Promise<AttentionFinding> {
  const data = attentionInputs();
  const inputs = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [
      name,
      { shape, data: data[name as keyof typeof shapes] },
    ]),
  );
  const output = await run(inputs);
  const wanted = attentionReference();
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const off = wanted.map((value, i) => Math.abs(value - (output[i] ?? Number.NaN)));
  const error = Math.max(...off) / largest;
  return { error, isRight: error <= relativeErrorMax, output };
}
