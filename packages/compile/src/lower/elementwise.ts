import { sameShape } from "../graph.js";
import { inputOf, type Lower, type Lowering, outputOf } from "./lowering.js";

/** Operations that ONNX has under the same name, with inputs and output alike. */
const direct: Lower = (node, to) => {
  const inputs = node.inputs.map((id) => to.name(id));
  to.emit(node.operation, inputs, {}, to.name(outputOf(node)));
};

/** Whether a value comes right out of a convolution. */
function isConvolved(to: Lowering, id: number): boolean {
  const { origin } = to.value(id);
  return origin.kind === "node" && origin.node.operation.startsWith("Convolution");
}

/**
 * On the CPU, what a convolution gives is added as `[images, channels, cells]`: ONNX Runtime would
 * else let the convolution add as it goes, and round in another order, wherever it sees both. What
 * is computed must not depend on where a program is cut.
 */
const add: Lower = (node, to) => {
  const [a, b] = [inputOf(node, 0), inputOf(node, 1)];
  const shape = to.shape(a);
  const areMaps = shape.length === 4 && sameShape(shape, to.shape(b));
  const mayFuse = areMaps && (isConvolved(to, a) || isConvolved(to, b));
  if (to.options.target !== "cpu" || !mayFuse) {
    direct(node, to);
    return;
  }
  const [images = 1, channels = 1, height = 1, width = 1] = shape;
  const flat = to.ints([images, channels, height * width]);
  const [left = "", right = ""] = [a, b].map((id) => to.emit("Reshape", [to.name(id), flat]));
  const sum = to.emit("Add", [left, right]);
  to.emit("Reshape", [sum, to.ints(shape)], {}, to.name(outputOf(node)));
};

/** x sigmoid(scale x) is one kernel, which ONNX Runtime calls QuickGelu. */
const silu: Lower = (node, to) => {
  const alpha = { float: Number(node.attributes.scale) };
  to.emitContributed("QuickGelu", [to.name(inputOf(node, 0))], { alpha }, to.name(outputOf(node)));
};

const gelu: Lower = (node, to) => {
  to.emitContributed("Gelu", [to.name(inputOf(node, 0))], {}, to.name(outputOf(node)));
};

export const elementwise: Readonly<Record<string, Lower>> = {
  ...Object.fromEntries(
    ["Exp", "Log", "Sqrt", "Sigmoid", "Neg", "Erf", "Tanh", "Abs", "Reciprocal"].map((name) => [
      name,
      direct,
    ]),
  ),
  ...Object.fromEntries(
    ["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min"].map((name) => [name, direct]),
  ),
  Add: add,
  Silu: silu,
  Gelu: gelu,
};
