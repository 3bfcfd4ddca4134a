import { ShapeError } from "@retake/errors";
import * as tf from "@tensorflow/tfjs-core";
import { groupNorm } from "../operators/group-norm.js";
import type { Bindings, Program, TensorSpec } from "../program.js";
import type { ModuleSpec } from "../program-spec.js";
import { childScope, rootScope, type Scope, weightOf } from "../scope.js";
import { convolutionLayer, foldFrames, layerNormLayer, unfoldFrames } from "../unet/layers.js";
import { downsample, resnetBlock, upsample } from "../unet/resnet.js";
import { isInputTensor, unetTensors } from "../unet/tensors.js";
import {
  feedForward,
  promptAttention,
  spatialAttention,
  temporalAttention,
  transformer3d,
  transformerBlock,
} from "../unet/transformer.js";
import { midBlock, timeEmbedding } from "../unet/unet.js";

/** What a module is called with, in the authors' axes. */
interface Arguments {
  readonly x: tf.Tensor;
  readonly text: tf.Tensor | undefined;
  readonly temb: tf.Tensor | undefined;
}

function given(tensor: tf.Tensor | undefined, name: string): tf.Tensor {
  if (tensor === undefined) throw new ShapeError(`module: expected an input ${name}`);
  return tensor;
}

/** Applies a function of images to a video, or to images as they are. */
function onImages(x: tf.Tensor, call: (images: tf.Tensor) => tf.Tensor): tf.Tensor {
  if (x.rank === 4) return call(x);
  return unfoldFrames(call(foldFrames(x)), x.shape[2] ?? 1);
}

function levelOf(spec: ModuleSpec): number {
  const [side, index] = spec.path.split(".");
  const levels = spec.config.blockOutChannels.length;
  if (side === "mid_block") return levels - 1;
  return side === "up_blocks" ? levels - 1 - Number(index) : Number(index);
}

/** The parent's scope, and the module's name below it: layer functions take both. */
function parentOf(scope: Scope, path: string): { parent: Scope; name: string } {
  const cut = path.lastIndexOf(".");
  if (cut < 0) return { parent: scope, name: path };
  return { parent: childScope(scope, path.slice(0, cut)), name: path.slice(cut + 1) };
}

function normOf(spec: ModuleSpec, scope: Scope, x: tf.Tensor): tf.Tensor {
  const layer = { gain: weightOf(scope, "weight"), bias: weightOf(scope, "bias") };
  const perFrame = spec.moduleKind === "group-norm-per-frame";
  const eps = perFrame ? 1e-6 : spec.config.normEps;
  const frames = perFrame ? 1 : (x.shape[2] ?? 1);
  const options = { groups: spec.config.normGroups, eps, frames };
  return onImages(x, (images) => groupNorm(images, layer, options));
}

/** A transformer block gives sites; the authors' axes are tokens per frame. */
function blockOf(spec: ModuleSpec, scope: Scope, { x, text }: Arguments): tf.Tensor {
  const { frames, config } = spec;
  const options = { heads: config.heads[levelOf(spec)] ?? 1, frames, groups: config.normGroups };
  const [images = 1, tokens = 1, channels = 1] = x.shape;
  const sites = transformerBlock(scope, { tokens: x, prompt: given(text, "text") }, options);
  const byClip = tf.reshape(sites, [images / frames, tokens, frames, channels]);
  return tf.reshape(tf.transpose(byClip, [0, 2, 1, 3]), x.shape);
}

function callModule(spec: ModuleSpec, root: Scope, arguments_: Arguments): tf.Tensor {
  const { config, path, frames } = spec;
  const { x, text, temb } = arguments_;
  const scope = childScope(root, path);
  const heads = config.heads[levelOf(spec)] ?? 1;
  const groups = config.normGroups;
  const videoFrames = x.shape[2] ?? 1;
  switch (spec.moduleKind) {
    case "conv": {
      const { parent, name } = parentOf(root, path);
      const cells = ((weightOf(scope, "weight").shape[2] ?? 1) - 1) / 2;
      const padding = { top: cells, bottom: cells, left: cells, right: cells };
      return onImages(x, (images) => convolutionLayer(parent, name, images, { padding }));
    }
    case "downsample":
      return onImages(x, (images) => downsample(scope, images, config.downsamplePadding));
    case "upsample":
      return onImages(x, (images) => upsample(scope, images, spec.size));
    case "resnet": {
      const options = { groups, eps: config.normEps, frames: videoFrames };
      const time = given(temb, "temb");
      return onImages(x, (images) =>
        resnetBlock(scope, { x: images, timeEmbedding: time }, options),
      );
    }
    case "group-norm-over-frames":
    case "group-norm-per-frame":
      return normOf(spec, scope, x);
    case "layer-norm": {
      const { parent, name } = parentOf(root, path);
      return layerNormLayer(parent, name, x);
    }
    case "sparse-causal-attention":
      return spatialAttention(scope, x, { heads, frames, groups });
    case "cross-attention":
      return promptAttention(scope, { tokens: x, prompt: given(text, "text") }, heads);
    case "feed-forward":
      return feedForward(scope, x);
    case "temporal-attention":
      return temporalAttention(scope, x, heads);
    case "transformer-block":
      return blockOf(spec, scope, arguments_);
    case "transformer-3d": {
      const options = { heads, frames: videoFrames, groups };
      const prompt = given(text, "text");
      return onImages(x, (images) => transformer3d(scope, { x: images, prompt }, options));
    }
    case "mid-block": {
      const time = given(temb, "temb");
      const conditions = { timeEmbedding: time, prompt: given(text, "text"), frames: videoFrames };
      return onImages(x, (images) => midBlock(scope, config, { x: images, conditions }));
    }
    case "time-embedding":
      return timeEmbedding(root, x);
  }
}

function moduleInputs(spec: ModuleSpec, tensors: readonly TensorSpec[]): TensorSpec[] {
  const cotangent = spec.gradients === undefined ? undefined : spec.out;
  const optional = { x: spec.x, text: spec.text, temb: spec.temb, cotangent };
  const inputs = Object.entries(optional).flatMap(([name, shape]) =>
    shape === undefined ? [] : [{ name, shape, dtype: "float32" } as const],
  );
  return [...inputs, ...tensors];
}

/** One module as a program: see `ModuleSpec`. */
export function moduleProgram(spec: ModuleSpec): Program {
  const under = (name: string): boolean => name.startsWith(`${spec.path}.`);
  const all = unetTensors(spec.config).filter(({ name }) => under(name));
  const tunable = all.filter(({ name }) => isInputTensor(name));
  const tensors = tunable.map(({ name, shape }) => ({ name, shape, dtype: "float32" }) as const);
  const argument = (bindings: Bindings, name: "text" | "temb"): tf.Tensor | undefined =>
    spec[name] === undefined ? undefined : bindings.input(name);
  const known = new Set(all.map(({ name }) => name));
  const gradients = spec.gradients;
  return {
    inputs: moduleInputs(spec, tensors),
    weights: all.filter(({ name }) => !isInputTensor(name)),
    outputs: [],
    call: (bindings) => {
      const names = (gradients ?? []).map((key) => `${spec.path}.${key}`);
      const run = (x: tf.Tensor, ...replaced: tf.Tensor[]): tf.Tensor => {
        const byName = new Map(names.map((name, i) => [name, replaced[i]]));
        const find = (name: string): tf.Tensor | undefined => {
          if (!known.has(name)) return undefined;
          return (
            byName.get(name) ?? (isInputTensor(name) ? bindings.input(name) : bindings.weight(name))
          );
        };
        const text = argument(bindings, "text");
        return callModule(spec, rootScope(find), { x, text, temb: argument(bindings, "temb") });
      };
      const x = bindings.input("x");
      if (gradients === undefined) return { out: run(x) };
      const weights = names.map((name) => bindings.input(name));
      const out = run(x);
      const cotangent = bindings.input("cotangent");
      const call = (...tensors: tf.Tensor[]): tf.Tensor =>
        run(tensors[0] ?? x, ...tensors.slice(1));
      const gradientTensors = tf.grads(call)([x, ...weights], cotangent);
      const keys = ["x", ...gradients];
      const named = keys.map(
        (key, i) => [`grad.${key}`, gradientTensors[i] ?? tf.scalar(0)] as const,
      );
      return { out, ...Object.fromEntries(named) };
    },
  };
}
