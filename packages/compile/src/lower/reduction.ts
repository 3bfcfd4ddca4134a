import { inputOf, integersOf, type Lower, outputOf } from "./lowering.js";

const reduce: Lower = (node, to) => {
  const axes = to.ints(integersOf(node, "axes"));
  const inputs = [to.name(inputOf(node, 0)), axes];
  to.emit(node.operation, inputs, { keepdims: 1 }, to.name(outputOf(node)));
};

const softmax: Lower = (node, to) => {
  to.emit("Softmax", [to.name(inputOf(node, 0))], { axis: -1 }, to.name(outputOf(node)));
};

const layerNorm: Lower = (node, to) => {
  const inputs = node.inputs.map((id) => to.name(id));
  const epsilon = { float: Number(node.attributes.eps) };
  to.emit("LayerNormalization", inputs, { axis: -1, epsilon }, to.name(outputOf(node)));
};

export const reductions: Readonly<Record<string, Lower>> = {
  ReduceSum: reduce,
  ReduceMean: reduce,
  ReduceMax: reduce,
  Softmax: softmax,
  LayerNorm: layerNorm,
};
