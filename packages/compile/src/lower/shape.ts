import { inputOf, integersOf, type Lower, outputOf } from "./lowering.js";
import { onnxTypes } from "./onnx-proto.js";

const reshape: Lower = (node, to) => {
  const shape = to.ints(integersOf(node, "shape"));
  to.emit(node.operation, [to.name(inputOf(node, 0)), shape], {}, to.name(outputOf(node)));
};

const transpose: Lower = (node, to) => {
  const perm = integersOf(node, "perm");
  to.emit("Transpose", [to.name(inputOf(node, 0))], { perm }, to.name(outputOf(node)));
};

const slice: Lower = (node, to) => {
  const begin = integersOf(node, "begin");
  const size = integersOf(node, "size");
  const whole = to.shape(inputOf(node, 0));
  const cut = begin.flatMap((from, axis) =>
    from === 0 && size[axis] === whole[axis] ? [] : [{ axis, from, to: from + (size[axis] ?? 0) }],
  );
  const vectors = [
    cut.map(({ from }) => from),
    cut.map((range) => range.to),
    cut.map(({ axis }) => axis),
  ].map((numbers) => to.ints(numbers));
  to.emit("Slice", [to.name(inputOf(node, 0)), ...vectors], {}, to.name(outputOf(node)));
};

const concat: Lower = (node, to) => {
  const parts = node.inputs.map((id) => to.name(id));
  to.emit("Concat", parts, { axis: Number(node.attributes.axis) }, to.name(outputOf(node)));
};

const pad: Lower = (node, to) => {
  const pads = to.ints([...integersOf(node, "before"), ...integersOf(node, "after")]);
  to.emit("Pad", [to.name(inputOf(node, 0)), pads], {}, to.name(outputOf(node)));
};

const gather: Lower = (node, to) => {
  const inputs = [to.name(inputOf(node, 0)), to.name(inputOf(node, 1))];
  to.emit("Gather", inputs, { axis: Number(node.attributes.axis) }, to.name(outputOf(node)));
};

/** Which rows belong to a segment, as a matrix of ones and zeros, times the rows. */
const segmentSum: Lower = (node, to) => {
  const [segments = 1] = to.shape(outputOf(node));
  // ONNX Runtime has OneHot for int64 only.
  const ids = to.emit("Cast", [to.name(inputOf(node, 1))], { to: onnxTypes.int64 });
  const inputs = [ids, to.ints([segments]), to.floats([0, 1])];
  const belongs = to.emit("OneHot", inputs, { axis: -1 });
  const rows = to.name(inputOf(node, 0));
  to.emit("Gemm", [belongs, rows], { transA: 1, transB: 0 }, to.name(outputOf(node)));
};

export const shaping: Readonly<Record<string, Lower>> = {
  Reshape: reshape,
  Expand: reshape,
  Transpose: transpose,
  Slice: slice,
  Concat: concat,
  Pad: pad,
  Gather: gather,
  SegmentSum: segmentSum,
};
