import type { Bindings, Program } from "@retake/model";
import * as tf from "@tensorflow/tfjs";
import { elementCount } from "../graph.js";
import type { Numbers } from "./evaluate-graph.js";

type Shapes = Readonly<Record<string, readonly number[]>>;

/** A program of float32 inputs and weights, from their shapes and the function between them. */
export function smallProgram(
  shapes: { readonly inputs?: Shapes; readonly weights?: Shapes },
  call: (bindings: Bindings) => Readonly<Record<string, tf.Tensor>>,
): Program {
  const specs = (given: Shapes = {}) =>
    Object.entries(given).map(([name, shape]) => ({ name, shape, dtype: "float32" as const }));
  return { inputs: specs(shapes.inputs), weights: specs(shapes.weights), outputs: [], call };
}

/** Numbers for all inputs and weights: no two alike, between -1 and 1. */
export function wavesFor(program: Program): Numbers {
  const waves = [...program.inputs, ...program.weights].map(({ name, shape }, i) => {
    const wave = Array.from({ length: elementCount(shape) }, (_, at) => Math.sin(1 + i + 0.7 * at));
    return [name, Float32Array.from(wave)] as const;
  });
  return Object.fromEntries(waves);
}

/** What a program gives on the backend that TensorFlow.js is set to. */
export function plainResults(program: Program, given: Numbers): Record<string, number[]> {
  return tf.tidy(() => {
    const shapes = new Map(
      [...program.inputs, ...program.weights].map(({ name, shape }) => [name, shape]),
    );
    const find = (name: string): tf.Tensor =>
      tf.tensor(given[name] ?? [], [...(shapes.get(name) ?? [])]);
    const results = Object.entries(program.call({ input: find, weight: find }));
    return Object.fromEntries(results.map(([name, tensor]) => [name, [...tensor.dataSync()]]));
  });
}
