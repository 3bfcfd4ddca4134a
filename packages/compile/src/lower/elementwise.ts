import { inputOf, type Lower, outputOf } from "./lowering.js";

/** Operations that ONNX has under the same name, with inputs and output alike. */
const direct: Lower = (node, to) => {
  const inputs = node.inputs.map((id) => to.name(id));
  to.emit(node.operation, inputs, {}, to.name(outputOf(node)));
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
  Silu: silu,
  Gelu: gelu,
};
