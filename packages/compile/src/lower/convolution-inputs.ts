import type { GraphNode } from "../graph.js";
import { inputOf, integersOf, type Lower, type Lowering, outputOf } from "./lowering.js";

/** The same stored weight serves the gradient: a transposed convolution. */
const transposed: Lower = (node, to) => {
  const attributes = {
    kernel_shape: to.shape(inputOf(node, 1)).slice(2),
    strides: [Number(node.attributes.stride), Number(node.attributes.stride)],
    pads: integersOf(node, "pads"),
    output_padding: unread(node, to),
  };
  const inputs = node.inputs.map((id) => to.name(id));
  to.emit("ConvTranspose", inputs, attributes, to.name(outputOf(node)));
};

/** Rows and columns that the forward pass read but that no window began on: they get zero. */
function unread(node: GraphNode, to: Lowering): number[] {
  const [, , ...kernel] = to.shape(inputOf(node, 1));
  const [, , ...from] = to.shape(inputOf(node, 0));
  const [, , ...size] = to.shape(outputOf(node));
  const pads = integersOf(node, "pads");
  const stride = Number(node.attributes.stride);
  return size.map((cells, axis) => {
    const padded = (pads[axis] ?? 0) + (pads[axis + 2] ?? 0);
    return cells - (((from[axis] ?? 1) - 1) * stride + (kernel[axis] ?? 1) - padded);
  });
}

/** Behind the last element from behind: a slice that ends there takes an axis in reverse. */
const beforeFirst = -(2 ** 31);

/**
 * A convolution with the kernels turned by half a circle and their channels exchanged. The engine
 * computes these once, when it opens the program, and may then block them as it likes best.
 */
const flipped: Lower = (node, to) => {
  const weight = inputOf(node, 1);
  const [, , ...kernel] = to.shape(weight);
  const exchanged = to.emit("Transpose", [to.name(weight)], { perm: [1, 0, 2, 3] });
  const isOneCell = kernel.every((size) => size === 1);
  const reverse = [
    [-1, -1],
    [beforeFirst, beforeFirst],
    [2, 3],
    [-1, -1],
  ];
  const turned = (): string =>
    to.emit("Slice", [exchanged, ...reverse.map((numbers) => to.ints(numbers))]);
  const pads = integersOf(node, "pads").map((pad, i) => (kernel[i % 2] ?? 1) - 1 - pad);
  const inputs = [to.name(inputOf(node, 0)), isOneCell ? exchanged : turned()];
  const attributes = { kernel_shape: kernel, strides: [1, 1], pads };
  to.emit("Conv", inputs, attributes, to.name(outputOf(node)));
};

/** Whether flipping is free: of frozen kernels that may be copied, windows one cell apart. */
function isFlipped(node: GraphNode, to: Lowering): boolean {
  const [, , ...kernel] = to.shape(inputOf(node, 1));
  const isFrozen = to.value(inputOf(node, 1)).origin.kind === "weight";
  const isDense = node.attributes.stride === 1 && unread(node, to).every((rest) => rest === 0);
  const isPadded = integersOf(node, "pads").every((pad, i) => pad < (kernel[i % 2] ?? 1));
  return to.options.copiesWeights === true && isFrozen && isDense && isPadded;
}

export const convolutionInputs: Readonly<Record<string, Lower>> = {
  ConvolutionInputGradient: (node, to) => (isFlipped(node, to) ? flipped : transposed)(node, to),
};
