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
import type { GraphValue } from "../graph.js";
import { type KernelCall, recordKernel } from "./kernels.js";
import { beforeReshape, reshape, unary } from "./simplify.js";

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
function recordGroupNorm({ backend, input, number }: KernelCall): GraphValue[] {
  const { builder } = backend;
  const [x, gain, bias] = [input("x"), input("gain"), input("bias")];
  const [images = 1, channels = 1, height = 1, width = 1] = x.shape;
  const [groups, frames] = [number("groups"), number("frames")];
  const clips = images / frames;
  const perFrame = { shape: [clips, frames, groups] };
  const moments = builder.nodes("FrameMoments", [x], [perFrame, perFrame], { groups });
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
  recordKernel(layerNormKernel, ({ backend: { builder }, input, number }) => {
    const x = input("x");
    const source = beforeReshape(builder, x);
    const rows = source.shape.at(-1) === x.shape.at(-1) ? source : x;
    const inputs = [rows, input("gain"), input("bias")];
    const perRow = { shape: [...rows.shape.slice(0, -1), 1] };
    const types = [{ shape: rows.shape }, perRow, perRow];
    const outputs = builder.nodes("LayerNorm", inputs, types, { eps: number("eps") });
    const shapes = [x.shape, [...x.shape.slice(0, -1), 1], [...x.shape.slice(0, -1), 1]];
    return outputs.map((output, i) => reshape(builder, output, shapes[i] ?? []));
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
