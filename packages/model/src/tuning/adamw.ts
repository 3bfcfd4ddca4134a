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

/**
 * Applies one AdamW update in place, to a range of the vector.
 *
 *     m = m + (1 - beta1) (g - m);  v = beta2 v + (1 - beta2) g^2
 *     w = (1 - rate decay) w - rate / (1 - beta1^n)  m / (sqrt(v) / sqrt(1 - beta2^n) + epsilon)
 *
 * Every operation is rounded to float32, in this order, so that a float32 engine may do the same
 * to the bit. Powers of the betas are repeated products: `Math.pow` differs between Node versions.
 * A gradient of zero still decays the weight; tensors that get none do not belong to the vector.
 *
 * @param update.gradient    `[length]`, float32, before clipping
 * @param update.clipFactor  what the gradient is multiplied by first
 * @param update.step        which update this is, from 0
 * @param update.range       default all; ranges are independent of each other
 * @source Loshchilov and Hutter 2017, arXiv:1711.05101, algorithm 2; operations ordered as PyTorch
 */
export function applyAdamW(
  state: TuningState,
  update: {
    readonly gradient: Float32Array;
    readonly clipFactor: number;
    readonly step: number;
    readonly range?: VectorRange;
  },
  settings: AdamWSettings,
): void {
  const { weights, firstMoment, secondMoment } = state;
  const { gradient } = update;
  const { begin, end } = update.range ?? { begin: 0, end: weights.length };
  const factors = stepFactors(settings, update.step);
  const { keep, mixFirst, keepSecond, mixSecond, stepSize, rootOfCorrection, epsilon } = factors;
  const clip = Math.fround(update.clipFactor);
  const round = Math.fround;
  for (let i = begin; i < end; i += 1) {
    const g = round((gradient[i] ?? 0) * clip);
    const m = firstMoment[i] ?? 0;
    const first = round(m + round(round(g - m) * mixFirst));
    const kept = round((secondMoment[i] ?? 0) * keepSecond);
    const second = round(kept + round(round(g * g) * mixSecond));
    const spread = round(round(round(Math.sqrt(second)) / rootOfCorrection) + epsilon);
    const decayed = round((weights[i] ?? 0) * keep);
    weights[i] = decayed - round(stepSize * round(first / spread));
    firstMoment[i] = first;
    secondMoment[i] = second;
  }
}

function stepFactors(settings: AdamWSettings, step: number): StepFactors {
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
