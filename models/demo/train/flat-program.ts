import type { Program, TensorSpec } from "@retake/model";
import { rootScope, type Scope, withBackwardPass } from "@retake/model/network";
import type { VectorLayout } from "@retake/model/tuning";
import * as tf from "@tensorflow/tfjs";

/** What a loss is computed from: the weights by their keys, and the inputs by name. */
export interface LossInputs {
  readonly scope: Scope;
  readonly input: (name: string) => tf.Tensor;
}

const weightsSpec = (layout: VectorLayout): TensorSpec => ({
  ...{ name: "weights", shape: [layout.length], dtype: "float32" },
});

/** The tensors of the layout, cut out of the flat vector. */
function tensorsOf(layout: VectorLayout, weights: tf.Tensor): tf.Tensor[] {
  return layout.entries.map(({ shape, begin, end }) =>
    tf.reshape(tf.slice(weights, [begin], [end - begin]), [...shape]),
  );
}

function scopeOf(layout: VectorLayout, tensors: readonly tf.Tensor[]): Scope {
  const byName = new Map(layout.entries.map(({ name }, i) => [name, tensors[i]]));
  return rootScope((name) => byName.get(name));
}

/**
 * A loss and its gradient with respect to all weights of a layout.
 *
 * In: `weights` `[layout.length]`, and `inputs`. Out: `loss` [], `gradient` `[layout.length]`. All
 * weights are one input and all gradients one output: hundreds of tensors would cost more to hand
 * over than to cut apart.
 */
export function gradientProgram(
  layout: VectorLayout,
  inputs: readonly TensorSpec[],
  loss: (from: LossInputs) => tf.Tensor,
): Program {
  return {
    inputs: [weightsSpec(layout), ...inputs],
    weights: [],
    outputs: [
      { name: "loss", shape: [], dtype: "float32" },
      { name: "gradient", shape: [layout.length], dtype: "float32" },
    ],
    call: ({ input }) => {
      const { value, grads } = withBackwardPass((lossIsThere) => {
        const call = (...tensors: tf.Tensor[]): tf.Scalar => {
          const scalar = loss({ scope: scopeOf(layout, tensors), input });
          lossIsThere();
          return scalar as tf.Scalar;
        };
        return tf.valueAndGrads(call)(tensorsOf(layout, input("weights")));
      });
      return { loss: value, gradient: tf.concat(grads.map((grad) => tf.reshape(grad, [-1]))) };
    },
  };
}

/**
 * A network in use. In: `weights` `[layout.length]`, and `inputs`. Out: what `call` gives.
 */
export function forwardProgram(
  layout: VectorLayout,
  inputs: readonly TensorSpec[],
  call: (from: LossInputs) => Readonly<Record<string, tf.Tensor>>,
): Program {
  return {
    inputs: [weightsSpec(layout), ...inputs],
    weights: [],
    outputs: [],
    call: ({ input }) =>
      call({ scope: scopeOf(layout, tensorsOf(layout, input("weights"))), input }),
  };
}
