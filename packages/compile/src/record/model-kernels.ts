import {
  attentionKernel,
  convolutionInputGradientKernel,
  convolutionKernel,
  frameMomentsKernel,
  geluKernel,
  layerNormKernel,
  linearKernel,
  scaleShiftKernel,
  siluKernel,
} from "@retake/model";
import type { GraphValue } from "../graph.js";
import { type KernelCall, recordKernel } from "./kernels.js";

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
  recordKernel(frameMomentsKernel, ({ backend, input, number }) => {
    const x = input("x");
    const groups = number("groups");
    const moments = { shape: [x.shape[0] ?? 1, groups] };
    return backend.builder.nodes("FrameMoments", [x], [moments, moments], { groups });
  });
  recordKernel(scaleShiftKernel, ({ backend, input }) => {
    const x = input("x");
    return backend.builder.node("ScaleShift", [x, input("scale"), input("shift")], {
      shape: x.shape,
    });
  });
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
