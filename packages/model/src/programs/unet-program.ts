import { ShapeError } from "@retake/errors";
import * as tf from "@tensorflow/tfjs-core";
import { assertShard } from "../frames/frame-shard.js";
import type { Bindings, Program, TensorSpec } from "../program.js";
import type { UNetGradientsSpec, UNetShape, UNetSpec } from "../program-spec.js";
import { rootScope, type Scope, withBackwardPass } from "../scope.js";
import type { UNetConfig } from "../unet/config.js";
import { isInputTensor, unetInputTensors, unetTensors } from "../unet/tensors.js";
import { unet } from "../unet/unet.js";

const float32 = "float32";

/** Rows of the timestep embedding: at least two, so that one item runs the kernel that two run. */
export function timestepRows(batch: number): number {
  return Math.max(batch, 2);
}

function unetInputs(config: UNetConfig, shape: UNetShape): TensorSpec[] {
  const { batch, frames, height, width, promptTokens } = shape;
  const rows = timestepRows(batch);
  return [
    { name: "latents", shape: [batch, config.inChannels, frames, height, width], dtype: float32 },
    { name: "timestepSinusoid", shape: [rows, config.blockOutChannels[0] ?? 0], dtype: float32 },
    { name: "prompt", shape: [batch, promptTokens, config.crossAttentionDim], dtype: float32 },
    ...unetInputTensors(config).map(({ name, shape: s }) => ({
      name,
      shape: s,
      dtype: "float32" as const,
    })),
  ];
}

/** Finds what can be tuned among the inputs (or in `replaced`), and the rest among the weights. */
function unetScope(
  config: UNetConfig,
  bindings: Bindings,
  options: {
    readonly replaced?: ReadonlyMap<string, tf.Tensor>;
    readonly capture?: (path: string, output: () => tf.Tensor) => void;
  } = {},
): Scope {
  const names = new Set(unetTensors(config).map(({ name }) => name));
  const find = (name: string): tf.Tensor | undefined => {
    if (!names.has(name)) return undefined;
    if (!isInputTensor(name)) return bindings.weight(name);
    return options.replaced?.get(name) ?? bindings.input(name);
  };
  return rootScope(find, options.capture);
}

function callUNet(
  scope: Scope,
  { config, shard }: Pick<UNetSpec, "config" | "shard">,
  bindings: Bindings,
): tf.Tensor {
  return unet(scope, config, {
    shard,
    latents: bindings.input("latents"),
    timestepSinusoid: bindings.input("timestepSinusoid"),
    prompt: bindings.input("prompt"),
  });
}

function frozenTensors(config: UNetConfig): Program["weights"] {
  return unetTensors(config).filter(({ name }) => !isInputTensor(name));
}

/** The U-Net's forward pass as a program: see `UNetSpec`. Captures have no declared shape. */
export function unetProgram(spec: UNetSpec): Program {
  const { config, shape } = spec;
  const { batch, frames, height, width } = shape;
  const captures = new Set(spec.captures ?? []);
  if (spec.shard !== undefined) assertShard(spec.shard, { batch, frames });
  if (spec.shard !== undefined && captures.size > 0) {
    throw new ShapeError("captures: expected none of a clip that ranks share, got some");
  }
  const out = [batch, config.outChannels, frames, height, width];
  return {
    inputs: unetInputs(config, shape),
    weights: frozenTensors(config),
    outputs: [{ name: "predictedNoise", shape: out, dtype: float32 }],
    call: (bindings) => {
      const captured: Record<string, tf.Tensor> = {};
      const capture = (path: string, output: () => tf.Tensor): void => {
        if (captures.has(path)) captured[`act/${path}`] = output();
      };
      const predictedNoise = callUNet(unetScope(config, bindings, { capture }), spec, bindings);
      return { predictedNoise, ...captured };
    },
  };
}

/**
 * Loss and gradients of one draw as a program: see `UNetGradientsSpec`.
 *
 *     loss = mean((predictedNoise - target)^2)
 *
 * @source Ho et al. 2020, arXiv:2006.11239, equation 14
 */
export function unetGradientsProgram(spec: UNetGradientsSpec): Program {
  const { config, shape, trainable } = spec;
  const inputs = unetInputs(config, shape);
  const known = new Map(inputs.map((input) => [input.name, input.shape]));
  const target = known.get("latents") ?? [];
  const gradientOutputs = trainable.map((name) => {
    const tensorShape = known.get(name);
    if (tensorShape === undefined) throw new ShapeError(`trainable: ${name} cannot be tuned`);
    return { name: `grad/${name}`, shape: tensorShape, dtype: float32 } as const;
  });
  return {
    inputs: [...inputs, { name: "target", shape: target, dtype: float32 }],
    weights: frozenTensors(config),
    outputs: [{ name: "loss", shape: [], dtype: float32 }, ...gradientOutputs],
    call: (bindings) => {
      const names = trainable.map((name) => bindings.input(name));
      const loss = (tensors: readonly tf.Tensor[]): tf.Scalar => {
        const replaced = new Map(trainable.map((name, i) => [name, tensors[i] ?? tf.scalar(0)]));
        const predicted = callUNet(unetScope(config, bindings, { replaced }), { config }, bindings);
        const error = tf.sub(predicted, bindings.input("target"));
        return tf.mean(tf.mul(error, error));
      };
      const { value, grads } = withBackwardPass((lossIsThere) => {
        const call = (...tensors: tf.Tensor[]): tf.Scalar => {
          const scalar = loss(tensors);
          lossIsThere();
          return scalar;
        };
        return tf.valueAndGrads(call)(names);
      });
      const named = trainable.map((name, i) => [`grad/${name}`, grads[i] ?? tf.scalar(0)] as const);
      return { loss: value, ...Object.fromEntries(named) };
    },
  };
}
