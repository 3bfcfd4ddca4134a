import { describe, expect, it } from "vitest";
import { Purpose, randomWords } from "../random/random-stream.js";
import {
  type AdamWSettings,
  type AdamWUpdate,
  applyAdamW,
  initialTuningState,
  paperAdamW,
  stepFactors,
  type TuningState,
} from "./adamw.js";

const settings: AdamWSettings = { ...paperAdamW, learningRate: 0.5, weightDecay: 0.25 };
const update = (gradient: Float32Array, step = 0) => ({ gradient, clipFactor: 1, step });

/** The same formula in float64, written as in the paper. */
function paperWeight(weight: number, gradients: readonly number[], each: AdamWSettings): number {
  const { learningRate, beta1, beta2, epsilon, weightDecay } = each;
  let [w, m, v] = [weight, 0, 0];
  for (const [i, g] of gradients.entries()) {
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    const mHat = m / (1 - beta1 ** (i + 1));
    const vHat = v / (1 - beta2 ** (i + 1));
    w -= learningRate * (mHat / (Math.sqrt(vHat) + epsilon) + weightDecay * w);
  }
  return w;
}

describe("applyAdamW", () => {
  it("moves by the learning rate against the gradient's sign in the first step", () => {
    const state = initialTuningState(new Float32Array(2));
    applyAdamW(state, update(Float32Array.of(3, -0.01)), settings);
    expect(state.weights[0]).toBeCloseTo(-0.5, 5);
    expect(state.weights[1]).toBeCloseTo(0.5, 5);
  });

  it("decays a weight whose gradient is zero", () => {
    const state = initialTuningState(Float32Array.of(8));
    applyAdamW(state, update(Float32Array.of(0)), settings);
    expect(Array.from(state.weights)).toEqual([7]);
  });

  it("follows the paper's formula over many steps", () => {
    const gradients = [0.3, -0.2, 0.05, 0.4, 0, -0.7, 0.1, 0.1];
    const state = initialTuningState(Float32Array.of(1.5));
    for (const [step, gradient] of gradients.entries()) {
      applyAdamW(state, update(Float32Array.of(gradient), step), paperAdamW);
    }
    const expected = paperWeight(1.5, gradients, paperAdamW);
    expect(Math.abs((state.weights[0] ?? 0) - expected)).toBeLessThan(3e-7);
    expect(state.weights[0]).not.toBe(1.5);
  });

  it("sees the gradient clipped: the second moment shrinks by the factor's square", () => {
    const whole = initialTuningState(Float32Array.of(0));
    const clipped = initialTuningState(Float32Array.of(0));
    applyAdamW(whole, update(Float32Array.of(0.5)), settings);
    applyAdamW(clipped, { ...update(Float32Array.of(2)), clipFactor: 0.25 }, settings);
    expect(clipped).toEqual(whole);
  });

  it("changes its range alone, and ranges together are the whole", () => {
    const gradient = Float32Array.of(1, -2, 3, -4, 5);
    const whole = initialTuningState(Float32Array.of(5, 4, 3, 2, 1));
    const parts = initialTuningState(Float32Array.of(5, 4, 3, 2, 1));
    applyAdamW(whole, update(gradient), settings);
    applyAdamW(parts, { ...update(gradient), range: { begin: 2, end: 5 } }, settings);
    expect(Array.from(parts.weights.slice(0, 2))).toEqual([5, 4]);
    applyAdamW(parts, { ...update(gradient), range: { begin: 0, end: 2 } }, settings);
    expect(parts).toEqual(whole);
  });

  it("keeps every intermediate result in float32", () => {
    // The moments as float32 operations give them, one rounding each.
    const f = Math.fround;
    const g = f(0.1);
    const state = initialTuningState(Float32Array.of(1));
    applyAdamW(state, update(Float32Array.of(g)), settings);
    expect(state.firstMoment[0]).toBe(f(g * f(1 - 0.9)));
    expect(state.secondMoment[0]).toBe(f(f(g * g) * f(1 - 0.999)));
  });

  it.each([1, 2, 3, 5, 16_383, 16_384, 16_385, 40_000])(
    "gives %i values the bits that plain JavaScript gives them",
    (length) => {
      const [byWasm, plain] = [randomState(length), randomState(length)];
      for (let step = 0; step < 3; step += 1) {
        const gradient = anyValues(length, step);
        const range = { begin: Math.floor(length / 7), end: length - Math.floor(length / 5) };
        const given = { gradient, clipFactor: 0.3, step, ...(step === 1 ? { range } : {}) };
        applyAdamW(byWasm, given, settings);
        applyAdamWPlainly(plain, given, settings);
        for (const name of ["weights", "firstMoment", "secondMoment"] as const) {
          expect(bitsOf(byWasm[name]).equals(bitsOf(plain[name]))).toBe(true);
        }
      }
    },
  );
});

const bitsOf = (values: Float32Array): Buffer => Buffer.from(values.buffer);

/** Any float32 below 2, by its bits: zeros and subnormal values too. */
function anyValues(length: number, which: number): Float32Array {
  const words = randomWords({ seed: length, purpose: Purpose.Noise, position: [which, 0] }, length);
  return new Float32Array(Uint32Array.from(words, (word) => word & 0xbfffffff).buffer);
}

function randomState(length: number): TuningState {
  return {
    weights: anyValues(length, 10),
    firstMoment: anyValues(length, 11),
    secondMoment: anyValues(length, 12).map(Math.abs),
  };
}

/** What the WebAssembly must give, to the bit. */
function applyAdamWPlainly(state: TuningState, update: AdamWUpdate, settings: AdamWSettings): void {
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
