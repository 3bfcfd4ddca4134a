import type * as tf from "@tensorflow/tfjs-core";

/** A named tensor of a program's border. Shapes are concrete: a program is made for one shape. */
export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "float32" | "int32";
}

/** A frozen weight, named by its key in the checkpoint. */
export interface WeightSpec {
  readonly name: string;
  readonly shape: readonly number[];
}

/** What a program reads while it runs: its inputs and the frozen weights, both by name. */
export interface Bindings {
  readonly input: (name: string) => tf.Tensor;
  readonly weight: (name: string) => tf.Tensor;
}

/**
 * A piece of the model with fixed shapes: which tensors go in, which weights it reads, and the
 * plain TensorFlow.js function between them. Engines either trace `call` into a graph or call it
 * eagerly.
 */
export interface Program {
  readonly inputs: readonly TensorSpec[];
  readonly weights: readonly WeightSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly call: (bindings: Bindings) => Readonly<Record<string, tf.Tensor>>;
}
