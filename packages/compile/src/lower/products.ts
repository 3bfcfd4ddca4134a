import { inputOf, integersOf, type Lower, type Lowering, outputOf } from "./lowering.js";

/** Two-dimensional products are Gemm, which transposes for nothing; batches transpose first. */
const matMul: Lower = (node, to) => {
  const [a, b] = [inputOf(node, 0), inputOf(node, 1)];
  const transA = node.attributes.transposeA === true ? 1 : 0;
  const transB = node.attributes.transposeB === true ? 1 : 0;
  const factor = Number(node.attributes.factor);
  const alpha = { float: factor };
  const output = to.name(outputOf(node));
  if (to.shape(a).length === 2 && to.shape(b).length === 2) {
    to.emit("Gemm", [to.name(a), to.name(b)], { transA, transB, alpha }, output);
    return;
  }
  if (to.options.target === "cpu") {
    const attributes = { transA, transB, alpha };
    to.emitContributed("FusedMatMul", [to.name(a), to.name(b)], attributes, output);
    return;
  }
  const left = transA === 1 ? swapped(to, a) : to.name(a);
  const right = transB === 1 ? swapped(to, b) : to.name(b);
  const scaled = factor === 1 ? left : to.emit("Mul", [left, to.scalar(factor)]);
  to.emit("MatMul", [scaled, right], {}, output);
};

function swapped(to: Lowering, id: number): string {
  const rank = to.shape(id).length;
  const perm = Array.from({ length: rank }, (_, axis) => axis);
  perm.splice(rank - 2, 2, rank - 1, rank - 2);
  return to.emit("Transpose", [to.name(id)], { perm });
}

/** The stored [out, in] matrix is used as it lies in the file. */
const linear: Lower = (node, to) => {
  const inputs = node.inputs.map((id) => to.name(id));
  to.emit("Gemm", inputs, { transA: 0, transB: 1 }, to.name(outputOf(node)));
};

const convolution: Lower = (node, to) => {
  const kernel = to.shape(inputOf(node, 1)).slice(2);
  const stride = Number(node.attributes.stride);
  const attributes = {
    kernel_shape: kernel,
    strides: [stride, stride],
    pads: integersOf(node, "pads"),
  };
  const inputs = node.inputs.map((id) => to.name(id));
  to.emit("Conv", inputs, attributes, to.name(outputOf(node)));
};

export const products: Readonly<Record<string, Lower>> = {
  MatMul: matMul,
  Linear: linear,
  Convolution: convolution,
};
