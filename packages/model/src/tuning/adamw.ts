import { adamwWasm } from "./adamw-wasm.js";
import type { VectorRange } from "./gradient-norm.js";

/** How AdamW steps. */
export interface AdamWSettings {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Decoupled: taken off the weight, not added to the gradient. */
  readonly weightDecay: number;
}

/** The paper's settings. */
export const paperAdamW: AdamWSettings = {
  learningRate: 3e-5,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 1e-2,
};

/** All that a tuning changes: flat vectors of one layout, float32. Weights and moments only. */
export interface TuningState {
  readonly weights: Float32Array;
  /** Running mean of the gradient; zero at first. */
  readonly firstMoment: Float32Array;
  /** Running mean of its square; zero at first. */
  readonly secondMoment: Float32Array;
}

/** The numbers of one step that are the same for every weight, each rounded to float32. */
interface StepFactors {
  readonly keep: number;
  readonly mixFirst: number;
  readonly keepSecond: number;
  readonly mixSecond: number;
  readonly stepSize: number;
  readonly rootOfCorrection: number;
  readonly epsilon: number;
}

/** A state to begin a tuning with; `weights` is kept, not copied. */
export function initialTuningState(weights: Float32Array): TuningState {
  const { length } = weights;
  return {
    weights,
    firstMoment: new Float32Array(length),
    secondMoment: new Float32Array(length),
  };
}

/** One AdamW update of a range of the vector. */
export interface AdamWUpdate {
  /** `[length]`, float32, before clipping. */
  readonly gradient: Float32Array;
  /** What the gradient is multiplied by first. */
  readonly clipFactor: number;
  /** Which update this is, from 0. */
  readonly step: number;
  /** Default all; ranges are independent of each other. */
  readonly range?: VectorRange;
}

/**
 * Applies one AdamW update in place, to a range of the vector.
 *
 *     m = m + (1 - beta1) (g - m);  v = beta2 v + (1 - beta2) g^2
 *     w = (1 - rate decay) w - rate / (1 - beta1^n)  m / (sqrt(v) / sqrt(1 - beta2^n) + epsilon)
 *
 * Every operation is rounded to float32, in this order, so that a float32 engine may do the same
 * to the bit. Powers of the betas are repeated products: `Math.pow` differs between Node versions.
 * A gradient of zero still decays the weight; tensors that get none do not belong to the vector.
 * WebAssembly does it, four values at a time.
 *
 * @source Loshchilov and Hutter 2017, arXiv:1711.05101, algorithm 2; operations ordered as PyTorch
 */
export function applyAdamW(state: TuningState, update: AdamWUpdate, settings: AdamWSettings): void {
  kernel ??= loadKernel();
  const { memory, update: updateChunk } = kernel;
  const { begin, end } = update.range ?? { begin: 0, end: state.weights.length };
  const factors = stepFactors(settings, update.step);
  const { keep, mixFirst, keepSecond, mixSecond, stepSize, rootOfCorrection, epsilon } = factors;
  const changed = [state.weights, state.firstMoment, state.secondMoment];
  for (let at = begin; at < end; at += chunkValues) {
    const until = Math.min(at + chunkValues, end);
    for (const [i, vector] of [update.gradient, ...changed].entries()) {
      chunkOf(memory, i).set(vector.subarray(at, until));
    }
    updateChunk(
      ...[(until - at) * bytesPerValue, Math.fround(update.clipFactor), keep, mixFirst],
      ...[keepSecond, mixSecond, stepSize, rootOfCorrection, epsilon],
    );
    for (const [i, vector] of changed.entries()) {
      vector.set(chunkOf(memory, i + 1).subarray(0, until - at), at);
    }
  }
}

/** What adamw.wat holds of each array at a time: all four stay in a core's cache. */
const chunkValues = 16_384;
const bytesPerValue = 4;

/** What adamw.wat exports. */
interface Kernel {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly update: (...bytesAndFactors: readonly number[]) => void;
}

/** What is used of the standard's interface: Node's types of this version leave it out. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

let kernel: Kernel | undefined;

function loadKernel(): Kernel {
  const module = new WebAssembly.Module(Buffer.from(adamwWasm, "base64"));
  return new WebAssembly.Instance(module).exports as Kernel;
}

function chunkOf({ buffer }: Kernel["memory"], index: number): Float32Array {
  return new Float32Array(buffer, index * chunkValues * bytesPerValue, chunkValues);
}

/** What a step multiplies by; `step` counts updates from 0. */
export function stepFactors(settings: AdamWSettings, step: number): StepFactors {
  const { learningRate, beta1, beta2, epsilon, weightDecay } = settings;
  let power1 = 1;
  let power2 = 1;
  for (let i = 0; i <= step; i += 1) {
    power1 *= beta1;
    power2 *= beta2;
  }
  return {
    keep: Math.fround(1 - learningRate * weightDecay),
    mixFirst: Math.fround(1 - beta1),
    keepSecond: Math.fround(beta2),
    mixSecond: Math.fround(1 - beta2),
    stepSize: Math.fround(learningRate / (1 - power1)),
    rootOfCorrection: Math.fround(Math.sqrt(1 - power2)),
    epsilon: Math.fround(epsilon),
  };
}
