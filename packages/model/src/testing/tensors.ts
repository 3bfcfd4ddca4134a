import * as tf from "@tensorflow/tfjs";
import type { WeightSpec } from "../program.js";
import { rootScope, type Scope } from "../scope.js";

/** Numbers between -1 and 1 that depend on shape and seed only. */
export function noiseOf(shape: readonly number[], seed = 1): tf.Tensor {
  let state = (seed * 2654435761 + 12345) >>> 0;
  const count = shape.reduce((product, size) => product * size, 1);
  const data = Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  return tf.tensor(data, [...shape]);
}

/** How many tensors a function leaves beside what it returns. */
export function leakOf(call: () => tf.Tensor | readonly tf.Tensor[]): number {
  const before = tf.memory().numTensors;
  const made = [call()].flat();
  const left = tf.memory().numTensors - before - made.length;
  for (const tensor of made) tensor.dispose();
  return left;
}

/** The largest difference between two tensors; not a number where their shapes differ. */
export function differenceOf(a: tf.Tensor, b: tf.Tensor): number {
  if (`${a.shape}` !== `${b.shape}`) return Number.NaN;
  return tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0] ?? Number.NaN);
}

/**
 * The largest difference between the gradient of `sum(call(x) * waves)` and its central
 * differences. Float32 and a step of 1/64 leave errors of some 1e-3.
 */
export function gradientError(call: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor): number {
  const step = 1 / 64;
  return tf.tidy(() => {
    const total = (at: tf.Tensor): tf.Scalar => {
      const y = call(at);
      return tf.sum(tf.mul(y, noiseOf(y.shape, 99)));
    };
    const gradient = tf.grad(total)(x).dataSync();
    const numbers = [...x.dataSync()];
    const errors = numbers.map((number, i) => {
      const moved = (by: number): number => {
        const changed = numbers.map((other, at) => (at === i ? number + by : other));
        return total(tf.tensor(changed, x.shape)).dataSync()[0] ?? Number.NaN;
      };
      return Math.abs((moved(step) - moved(-step)) / (2 * step) - (gradient[i] ?? Number.NaN));
    });
    return Math.max(...errors);
  });
}

/** The gradients that are registered for a kernel: what a recording backend would use. */
export function registeredGradients(
  kernelName: string,
  call: {
    readonly dy: tf.Tensor;
    readonly saved: readonly tf.Tensor[];
    readonly outputs?: number;
    readonly attributes?: Readonly<Record<string, number | boolean>>;
  },
): Record<string, tf.Tensor> {
  const registered = tf.getGradient(kernelName);
  if (registered === undefined) throw new Error(`there is no gradient of ${kernelName}`);
  const rest = Array.from({ length: (call.outputs ?? 1) - 1 }, () => tf.scalar(0));
  const dys = call.outputs === undefined ? call.dy : [call.dy, ...rest];
  const named = registered.gradFunc(dys, [...call.saved], { ...call.attributes });
  return Object.fromEntries(Object.entries(named).map(([name, of]) => [name, of() as tf.Tensor]));
}

/**
 * A scope with random weights, small enough that activations keep their size; norms begin near 1.
 */
export function randomScope(
  specs: readonly WeightSpec[],
  replaced: Readonly<Record<string, tf.Tensor>> = {},
  capture?: (path: string, output: () => tf.Tensor) => void,
): Scope {
  const tensors = new Map(
    specs.map(({ name, shape }, i) => {
      const fanIn = shape.slice(1).reduce((product, size) => product * size, 1);
      const scale = shape.length > 1 ? 1 / Math.sqrt(fanIn) : 0.2;
      const shift = /norm[^.]*\.weight$/.test(name) ? 1 : 0;
      const random = tf.tidy(() => tf.add(tf.mul(noiseOf(shape, 100 + i), scale), shift));
      return [name, replaced[name] ?? random] as const;
    }),
  );
  return rootScope((name) => tensors.get(name), capture);
}
