import { elementCount } from "../graph.js";
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
  const epsilon = { float: Number(node.attributes["eps"]) };
  to.emit("LayerNormalization", inputs, { axis: -1, epsilon }, to.name(outputOf(node)));
};

/** Two passes, so that a large mean costs no digits of the variance. */
const frameMoments: Lower = (node, to) => {
  const [mean, m2] = node.outputs;
  if (mean === undefined || m2 === undefined) throw new Error("FrameMoments: two outputs");
  const [images = 1, channels = 1, ...cells] = to.shape(inputOf(node, 0));
  const groups = Number(node.attributes["groups"]);
  const perGroup = (channels / groups) * elementCount(cells);
  const shape = to.ints([images, groups, perGroup]);
  const grouped = to.emit("Reshape", [to.name(inputOf(node, 0)), shape]);
  const axes = to.ints([2]);
  const kept = to.emit("ReduceMean", [grouped, axes], { keepdims: 1 });
  const centered = to.emit("Sub", [grouped, kept]);
  to.emit("ReduceSumSquare", [centered, axes], { keepdims: 0 }, to.name(m2));
  to.emit("Reshape", [kept, to.ints([images, groups])], {}, to.name(mean));
};

const scaleShift: Lower = (node, to) => {
  const [x, scale, shift] = [0, 1, 2].map((position) => inputOf(node, position));
  if (x === undefined || scale === undefined || shift === undefined) throw new Error("ScaleShift");
  const spread = to.ints([...to.shape(scale), 1, 1]);
  const perCell = (id: number): string => to.emit("Reshape", [to.name(id), spread]);
  const scaled = to.emit("Mul", [to.name(x), perCell(scale)]);
  to.emit("Add", [scaled, perCell(shift)], {}, to.name(outputOf(node)));
};

export const reductions: Readonly<Record<string, Lower>> = {
  ReduceSum: reduce,
  ReduceMean: reduce,
  ReduceMax: reduce,
  Softmax: softmax,
  LayerNorm: layerNorm,
  FrameMoments: frameMoments,
  ScaleShift: scaleShift,
};
