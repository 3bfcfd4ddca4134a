import {
  attentionKernel,
  convolutionInputGradientKernel,
  convolutionKernel,
  geluKernel,
  groupNormKernel,
  layerNormKernel,
  linearKernel,
  siluKernel,
} from "@retake/model";
import { convolutionWeightGradientKernel } from "@retake/model/network";
import { elementCount, type GraphValue } from "../graph.js";
import { gatherFrames, optionalTerms } from "./collective-kernels.js";
import { type KernelCall, recordKernel } from "./kernels.js";
import { binary, concat, reduced, reshape, unary } from "./simplify.js";

const padNames = ["top", "left", "bottom", "right"] as const;

function recordConvolution(call: KernelCall): GraphValue {
  const { input, number, backend } = call;
  const [x, weight, bias] = [input("x"), input("weight"), input("bias")];
  const [images = 1, , height = 1, width = 1] = x.shape;
  const [out = 1, , kernelHeight = 1, kernelWidth = 1] = weight.shape;
  const [top = 0, left = 0, bottom = 0, right = 0] = padNames.map(number);
  const stride = number("stride");
  const outHeight = Math.floor((height + top + bottom - kernelHeight) / stride) + 1;
  const outWidth = Math.floor((width + left + right - kernelWidth) / stride) + 1;
  const shape = [images, out, outHeight, outWidth];
  const attributes = { stride, pads: [top, left, bottom, right] };
  return backend.builder.node("Convolution", [x, weight, bias], { shape }, attributes);
}

function recordConvolutionInputGradient(call: KernelCall): GraphValue {
  const { input, number, backend } = call;
  const [dy, weight] = [input("dy"), input("weight")];
  const shape = [dy.shape[0] ?? 1, weight.shape[1] ?? 1, number("height"), number("width")];
  const attributes = { stride: number("stride"), pads: padNames.map(number) };
  return backend.builder.node("ConvolutionInputGradient", [dy, weight], { shape }, attributes);
}

function recordConvolutionWeightGradient(call: KernelCall): GraphValue {
  const { input, number, backend } = call;
  const [x, dy] = [input("x"), input("dy")];
  const kernel = [number("kernelHeight"), number("kernelWidth")];
  const shape = [dy.shape[1] ?? 1, x.shape[1] ?? 1, ...kernel];
  const attributes = { stride: number("stride"), pads: padNames.map(number) };
  return backend.builder.node("ConvolutionWeightGradient", [x, dy], { shape }, attributes);
}

/** What each frame says of itself, what a clip makes of it, its use: frames may be divided here. */
function recordGroupNorm(call: KernelCall): GraphValue[] {
  const { input, number } = call;
  const { builder } = call.backend;
  const [x, gain, bias] = [input("x"), input("gain"), input("bias")];
  if (call.attributes.isSmall === true) return recordSmallGroupNorm(call);
  const [images = 1, channels = 1, height = 1, width = 1] = x.shape;
  const [groups, frames] = [number("groups"), number("frames")];
  const clips = images / frames;
  const perFrame = { shape: [clips, frames, groups] };
  const own = builder.nodes("FrameMoments", [x], [perFrame, perFrame], { groups });
  const shard = optionalTerms(call);
  const moments = shard === undefined ? own : gatherFrames(builder, own, { ...shard, axis: 1 });
  const one = clips === 1 || frames === 1;
  const perChannel = { shape: one ? [clips, channels, 1, 1] : [clips, 1, channels, 1] };
  const perGroup = { shape: [clips, groups] };
  const table = [1, groups, channels / groups];
  const combined = builder.nodes(
    "ClipMoments",
    [...moments, reshape(builder, gain, table), reshape(builder, bias, table)],
    [perChannel, perChannel, perGroup, perGroup],
    { eps: number("eps"), count: (channels / groups) * height * width },
  );
  const [scale, shift, mean, inverseStd] = combined;
  if (!scale || !shift || !mean || !inverseStd) throw new Error("ClipMoments: four outputs");
  const maps = one ? x : reshape(builder, x, [clips, frames, channels, height * width]);
  const y = builder.node("ScaleShift", [maps, scale, shift], { shape: maps.shape });
  return [reshape(builder, y, x.shape), mean, inverseStd];
}

/**
 * The same in the fewest nodes. The deviation of a clip is the length of a vector, over its frames:
 *
 *     sqrt(n frames (variance + eps)) = |(sqrt(M2_f), sqrt(n) (mean_f - mean), sqrt(n frames eps))|
 *
 * What is standardised is kept for the backward pass.
 */
function recordSmallGroupNorm(call: KernelCall): GraphValue[] {
  const { input, number } = call;
  const { builder } = call.backend;
  const [x, gain, bias] = [input("x"), input("gain"), input("bias")];
  const [images = 1, channels = 1] = x.shape;
  const [groups, ownFrames] = [number("groups"), number("frames")];
  const clips = images / ownFrames;
  const count = elementCount(x.shape) / (images * groups);
  const grouped = reshape(builder, x, [clips, ownFrames, groups, count]);
  const ownMean = reduced(builder, "ReduceMean", grouped, [3]);
  const centered = binary(builder, "Sub", [grouped, ownMean]);
  const own = [ownMean, reduced(builder, "ReduceL2", centered, [3])] as const;
  const shard = optionalTerms(call);
  const all = shard === undefined ? own : gatherFrames(builder, own, { ...shard, axis: 1 });
  const [frameMean, frameLength] = all;
  if (frameMean === undefined || frameLength === undefined) throw new Error("two of each frame");
  const frames = frameMean.shape[1] ?? 1;
  const mean = reduced(builder, "ReduceMean", frameMean, [1]);
  const offset = binary(builder, "Sub", [frameMean, mean]);
  const parts = [
    frameLength,
    ...(frames > 1 ? [binary(builder, "Mul", [offset, builder.fill(Math.sqrt(count), [])])] : []),
    builder.fill(Math.sqrt(count * frames * number("eps")), [clips, 1, groups, 1]),
  ];
  const length = reduced(builder, "ReduceL2", concat(builder, parts, 1), [1]);
  const inverseStd = binary(builder, "Div", [builder.fill(Math.sqrt(count * frames), []), length]);
  const standard = binary(builder, "Mul", [binary(builder, "Sub", [grouped, mean]), inverseStd]);
  const perChannel = (v: GraphValue): GraphValue => reshape(builder, v, [1, channels, 1, 1]);
  const scaled = binary(builder, "Mul", [reshape(builder, standard, x.shape), perChannel(gain)]);
  const y = binary(builder, "Add", [scaled, perChannel(bias)]);
  const perClip = (v: GraphValue): GraphValue => reshape(builder, v, [clips, groups]);
  return [y, perClip(mean), perClip(inverseStd)];
}

/** Teaches the recording backend the model-level operators as nodes of their own. */
export function registerModelKernels(): void {
  recordKernel(linearKernel, ({ backend, input, hasInput }) => {
    const [x, weight] = [input("x"), input("weight")];
    const bias = hasInput("bias") ? [input("bias")] : [];
    const shape = [x.shape[0] ?? 1, weight.shape[0] ?? 1];
    return backend.builder.node("Linear", [x, weight, ...bias], { shape });
  });
  recordKernel(convolutionKernel, recordConvolution);
  recordKernel(convolutionInputGradientKernel, recordConvolutionInputGradient);
  recordKernel(convolutionWeightGradientKernel, recordConvolutionWeightGradient);
  recordKernel(layerNormKernel, ({ backend, input, number }) => {
    const x = input("x");
    const perRow = { shape: [...x.shape.slice(0, -1), 1] };
    const inputs = [x, input("gain"), input("bias")];
    const types = [{ shape: x.shape }, perRow, perRow];
    return backend.builder.nodes("LayerNorm", inputs, types, { eps: number("eps") });
  });
  recordKernel(groupNormKernel, recordGroupNorm);
  recordKernel(attentionKernel, ({ backend, input, number }) => {
    const query = input("query");
    const inputs = [query, input("key"), input("value")];
    const attributes = { heads: number("heads") };
    return backend.builder.node("Attention", inputs, { shape: query.shape }, attributes);
  });
  recordKernel(siluKernel, ({ backend, input, number }) =>
    unary(backend.builder, "Silu", input("x"), { scale: number("scale") }),
  );
  recordKernel(geluKernel, ({ backend, input }) => unary(backend.builder, "Gelu", input("x")));
}
