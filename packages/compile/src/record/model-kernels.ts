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
import type { GraphValue } from "../graph.js";
import { type KernelCall, recordKernel } from "./kernels.js";
import { reshape } from "./simplify.js";

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

/** What each frame says of itself, what a clip makes of it, and its use: frames may be divided here. */
function recordGroupNorm({ backend, input, number }: KernelCall): GraphValue[] {
  const { builder } = backend;
  const [x, gain, bias] = [input("x"), input("gain"), input("bias")];
  const [images = 1, channels = 1, height = 1, width = 1] = x.shape;
  const [groups, frames] = [number("groups"), number("frames")];
  const clips = images / frames;
  const perFrame = { shape: [clips, frames, groups] };
  const moments = builder.nodes("FrameMoments", [x], [perFrame, perFrame], { groups });
  const perChannel = { shape: [clips, 1, channels, 1] };
  const perGroup = { shape: [clips, groups] };
  const combined = builder.nodes(
    "ClipMoments",
    [...moments, reshape(builder, gain, [channels]), reshape(builder, bias, [channels])],
    [perChannel, perChannel, perGroup, perGroup],
    { eps: number("eps"), count: (channels / groups) * height * width },
  );
  const [scale, shift, mean, inverseStd] = combined;
  if (!scale || !shift || !mean || !inverseStd) throw new Error("ClipMoments: four outputs");
  const byClip = reshape(builder, x, [clips, frames, channels, height * width]);
  const y = builder.node("ScaleShift", [byClip, scale, shift], { shape: byClip.shape });
  return [reshape(builder, y, x.shape), mean, inverseStd];
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
  recordKernel(layerNormKernel, ({ backend, input, number }) => {
    const x = input("x");
    const inputs = [x, input("gain"), input("bias")];
    return backend.builder.node("LayerNorm", inputs, { shape: x.shape }, { eps: number("eps") });
  });
  recordKernel(groupNormKernel, recordGroupNorm);
  recordKernel(attentionKernel, ({ backend, input, number }) => {
    const query = input("query");
    const inputs = [query, input("key"), input("value")];
    const attributes = { heads: number("heads") };
    return backend.builder.node("Attention", inputs, { shape: query.shape }, attributes);
  });
  recordKernel(siluKernel, ({ backend, input, number }) => {
    const x = input("x");
    return backend.builder.node("Silu", [x], { shape: x.shape }, { scale: number("scale") });
  });
  recordKernel(geluKernel, ({ backend, input }) => {
    const x = input("x");
    return backend.builder.node("Gelu", [x], { shape: x.shape });
  });
}
