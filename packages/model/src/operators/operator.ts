import * as tf from "@tensorflow/tfjs-core";

/**
 * A *model-level operator*: a function with a plain TensorFlow.js composition as its meaning, that
 * a backend may know as one kernel.
 *
 * Backends without such a kernel run (and differentiate) the plain composition. A recording backend
 * registers the kernel, and the gradient comes from `tf.registerGradient` under the same name: so
 * the oracle on the plain backend shares neither kernel nor gradient with what is recorded.
 *
 * @param kernelName  the kernel's name, beginning with `Retake`
 * @param inputs      tensors by the names that kernel and gradient use
 */
export function runOperator(
  kernelName: string,
  inputs: Readonly<Record<string, tf.Tensor>>,
  attributes: Readonly<Record<string, number | string | boolean | number[]>>,
  plain: () => tf.Tensor | tf.Tensor[],
): tf.Tensor | tf.Tensor[] {
  if (tf.getKernel(kernelName, tf.getBackend()) === undefined) return tf.tidy(plain);
  return tf.engine().runKernel(kernelName, { ...inputs }, { ...attributes });
}

/** `runOperator` for operators with one output. */
export function runUnaryOperator(
  kernelName: string,
  inputs: Readonly<Record<string, tf.Tensor>>,
  attributes: Readonly<Record<string, number | string | boolean | number[]>>,
  plain: () => tf.Tensor,
): tf.Tensor {
  const result = runOperator(kernelName, inputs, attributes, plain);
  if (Array.isArray(result)) throw new TypeError(`${kernelName}: expected one output`);
  return result;
}

/**
 * Up to so many values, what an engine does once per node takes longer than a pass over the values:
 * of two ways to compute the same, the one with fewer nodes is faster then, not the one with fewer
 * passes.
 */
export const cheapPassValuesMax = 2 ** 15;
