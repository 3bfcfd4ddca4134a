import { inputOf, integersOf, type Lower, outputOf } from "./lowering.js";

const reduce: Lower = (node, to) => {
  const axes = to.ints(integersOf(node, "axes"));
  const inputs = [to.name(inputOf(node, 0)), axes];
  to.emit(node.operation, inputs, { keepdims: 1 }, to.name(outputOf(node)));
};

const softmax: Lower = (node, to) => {
  to.emit("Softmax", [to.name(inputOf(node, 0))], { axis: -1 }, to.name(outputOf(node)));
};

/** Mean and 1/std come out of the same kernel on the CPU, where the backward pass reads them. */
const layerNorm: Lower = (node, to) => {
  const inputs = node.inputs.map((id) => to.name(id));
  const attributes = { axis: -1, epsilon: { float: Number(node.attributes.eps) } };
  const [y, mean, inverseStd] = node.outputs;
  if (y === undefined || mean === undefined || inverseStd === undefined) {
    throw new Error("LayerNorm: three outputs");
  }
  const wanted = to.isRead(mean) || to.isRead(inverseStd);
  if (wanted && to.options.target === "cpu") {
    to.emitMany(
      "LayerNormalization",
      inputs,
      attributes,
      node.outputs.map((id) => to.name(id)),
    );
    return;
  }
  to.emit("LayerNormalization", inputs, attributes, to.name(y));
  if (!wanted) return;
  const axes = to.ints([-1]);
  const x = inputs[0] ?? "";
  to.emit("ReduceMean", [x, axes], { keepdims: 1 }, to.name(mean));
  const centered = to.emit("Sub", [x, to.name(mean)]);
  const squares = to.emit("Mul", [centered, centered]);
  const variance = to.emit("ReduceMean", [squares, axes], { keepdims: 1 });
  const std = to.emit("Sqrt", [to.emit("Add", [variance, to.scalar(Number(node.attributes.eps))])]);
  to.emit("Reciprocal", [std], {}, to.name(inverseStd));
};

export const reductions: Readonly<Record<string, Lower>> = {
  ReduceSum: reduce,
  ReduceMean: reduce,
  ReduceMax: reduce,
  ReduceL2: reduce,
  Softmax: softmax,
  LayerNorm: layerNorm,
};
