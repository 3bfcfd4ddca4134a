import * as tf from "@tensorflow/tfjs-core";
import { elementCount, type GraphValue, graphValue } from "../graph.js";
import type { GraphBuilder } from "./graph-builder.js";
import { type KernelCall, recordKernel } from "./kernels.js";
import {
  beforeReshape,
  binary,
  concat,
  fillOf,
  producer,
  reshape,
  slice,
  transpose,
  unary,
} from "./simplify.js";

const unaryKernels: Readonly<Record<string, string>> = {
  Exp: "Exp",
  Log: "Log",
  Sqrt: "Sqrt",
  Sigmoid: "Sigmoid",
  Neg: "Neg",
  Erf: "Erf",
  Tanh: "Tanh",
  Abs: "Abs",
  Reciprocal: "Reciprocal",
};

const binaryKernels: Readonly<Record<string, string>> = {
  Add: "Add",
  Sub: "Sub",
  Multiply: "Mul",
  RealDiv: "Div",
  Pow: "Pow",
  Maximum: "Max",
  Minimum: "Min",
};

function reduction(operation: string, x: GraphValue, call: KernelCall): GraphValue {
  const { builder } = call.backend;
  const given = call.attributes.axis ?? call.attributes.reductionIndices;
  const axes = tf.util.parseAxisParam(given as number | number[], [...x.shape]);
  const keep = call.attributes.keepDims === true;
  const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  if (elementCount(kept) === elementCount(x.shape) && operation !== "ReduceSumSquare") {
    return reshape(builder, x, keep ? kept : x.shape.filter((_, axis) => !axes.includes(axis)));
  }
  const source = beforeReshape(builder, x);
  const lastOnly = axes.length === 1 && axes[0] === x.shape.length - 1;
  if (lastOnly && source.shape.at(-1) === x.shape.at(-1)) {
    const shape = [...source.shape.slice(0, -1), 1];
    const last = { axes: [source.shape.length - 1] };
    const rows = builder.node(operation, [source], { shape }, last);
    return reshape(builder, rows, keep ? kept : kept.slice(0, -1));
  }
  const reduced = builder.node(operation, [x], { shape: kept }, { axes });
  return keep
    ? reduced
    : reshape(
        builder,
        reduced,
        kept.filter((_, axis) => !axes.includes(axis)),
      );
}

/** A factor that a product can take on: what is left of the value without it. */
function withoutFactor(
  builder: GraphBuilder,
  x: GraphValue,
): { readonly value: GraphValue; readonly factor: number } {
  const node = producer(x, "Mul");
  const operands = node?.inputs.map((id) => graphValue(builder, id)) ?? [];
  const factor = operands.map(fillOf).find((number) => number !== undefined);
  const value = operands.find((operand) => fillOf(operand) === undefined);
  return value === undefined || factor === undefined ? { value: x, factor: 1 } : { value, factor };
}

function matMul(builder: GraphBuilder, call: KernelCall): GraphValue {
  const [left, right] = [call.input("a"), call.input("b")].map((x) => withoutFactor(builder, x));
  if (left === undefined || right === undefined) throw new Error("matMul: two operands");
  const [a, b] = [left.value, right.value];
  const transposeA = call.attributes.transposeA === true;
  const transposeB = call.attributes.transposeB === true;
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(
    a.shape.slice(0, -2),
    b.shape.slice(0, -2),
  );
  const rows = a.shape.at(transposeA ? -1 : -2) ?? 1;
  const columns = b.shape.at(transposeB ? -2 : -1) ?? 1;
  const flat = batch.every((size) => size === 1);
  const flatten = (x: GraphValue): GraphValue => reshape(builder, x, x.shape.slice(-2));
  const operands = flat ? [flatten(a), flatten(b)] : [a, b];
  const shape = flat ? [rows, columns] : [...batch, rows, columns];
  const attributes = { transposeA, transposeB, factor: left.factor * right.factor };
  const product = builder.node("MatMul", operands, { shape }, attributes);
  return reshape(builder, product, [...batch, rows, columns]);
}

function split(builder: GraphBuilder, call: KernelCall): GraphValue[] {
  const x = call.input("x");
  const [axis = 0] = tf.util.parseAxisParam(call.number("axis"), [...x.shape]);
  const given = call.attributes.numOrSizeSplits as number | number[];
  const shaped = { shape: [...x.shape] } as tf.Tensor;
  const sizes = tf.backend_util.prepareSplitSize(shaped, given, axis);
  let at = 0;
  return sizes.map((along) => {
    const begin = x.shape.map((_, i) => (i === axis ? at : 0));
    at += along;
    const size = x.shape.map((n, i) => (i === axis ? along : n));
    return slice(builder, x, { begin, size });
  });
}

function pad(builder: GraphBuilder, call: KernelCall): GraphValue {
  const x = call.input("x");
  const paddings = call.attributes.paddings as [number, number][];
  if (call.number("constantValue") !== 0) throw new Error("record: padding is with zeros only");
  const shape = x.shape.map(
    (size, axis) => size + (paddings[axis] ?? [0, 0]).reduce((a, b) => a + b),
  );
  const attributes = { before: paddings.map(([n]) => n), after: paddings.map(([, n]) => n) };
  return builder.node("Pad", [x], { shape }, attributes);
}

function registerElementwise(): void {
  for (const [kernel, operation] of Object.entries(unaryKernels)) {
    recordKernel(kernel, ({ backend, input }) => unary(backend.builder, operation, input("x")));
  }
  for (const [kernel, operation] of Object.entries(binaryKernels)) {
    recordKernel(kernel, ({ backend, input }) =>
      binary(backend.builder, operation, [input("a"), input("b")]),
    );
  }
  recordKernel("Square", ({ backend, input }) =>
    binary(backend.builder, "Mul", [input("x"), input("x")]),
  );
  recordKernel("SquaredDifference", ({ backend: { builder }, input }) => {
    const difference = binary(builder, "Sub", [input("a"), input("b")]);
    return binary(builder, "Mul", [difference, difference]);
  });
  recordKernel("Rsqrt", ({ backend: { builder }, input }) =>
    unary(builder, "Reciprocal", unary(builder, "Sqrt", input("x"))),
  );
  recordKernel("Identity", ({ input }) => input("x"));
  recordKernel("Cast", ({ input, attributes }) => {
    const x = input("x");
    if (x.type !== attributes.dtype) throw new Error(`record: cast from ${x.type} is not known`);
    return x;
  });
}

function registerShape(): void {
  recordKernel("Reshape", ({ backend, input, numbers }) => {
    const x = input("x");
    const shape = tf.util.inferFromImplicitShape(numbers("shape"), elementCount(x.shape));
    return reshape(backend.builder, x, shape);
  });
  recordKernel("ExpandDims", ({ backend, input, number }) => {
    const shape = [...input("input").shape];
    const dim = number("dim");
    shape.splice(dim < 0 ? dim + shape.length + 1 : dim, 0, 1);
    return reshape(backend.builder, input("input"), shape);
  });
  recordKernel("Transpose", ({ backend, input, numbers }) =>
    transpose(backend.builder, input("x"), numbers("perm")),
  );
  recordKernel("Slice", ({ backend, input, attributes }) => {
    const x = input("x");
    const given = attributes as { begin: number | number[]; size?: number | number[] };
    const shaped = { shape: [...x.shape] } as tf.Tensor;
    const [begin = [], size = []] = tf.slice_util.parseSliceParams(shaped, given.begin, given.size);
    return slice(backend.builder, x, { begin, size });
  });
  recordKernel("SplitV", (call) => split(call.backend.builder, call));
  recordKernel("Concat", ({ backend, inputs, attributes }) => {
    const [axis = 0] = tf.util.parseAxisParam(Number(attributes.axis), [
      ...(inputs[0]?.shape ?? []),
    ]);
    return concat(backend.builder, inputs, axis);
  });
  recordKernel("PadV2", (call) => pad(call.backend.builder, call));
  recordKernel("Tile", ({ backend: { builder }, input, numbers }) => {
    const x = input("x");
    return numbers("reps").reduce(
      (tiled, count, axis) =>
        count === 1
          ? tiled
          : concat(
              builder,
              Array.from({ length: count }, () => tiled),
              axis,
            ),
      x,
    );
  });
  recordKernel("GatherV2", ({ backend, input, number }) => {
    const [x, indices] = [input("x"), input("indices")];
    const [axis = 0] = tf.util.parseAxisParam(number("axis"), [...x.shape]);
    if (number("batchDims") !== 0) throw new Error("record: gather knows no batch dimensions");
    const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
    return backend.builder.node("Gather", [x, indices], { shape }, { axis });
  });
}

/** Rows added up by the segment that each belongs to: the gradient of a gather along the rows. */
function segmentSum(builder: GraphBuilder, call: KernelCall): GraphValue {
  const [x, ids] = [call.input("x"), call.input("segmentIds")];
  const segments = call.number("numSegments");
  const rows = elementCount(ids.shape);
  const flat = reshape(builder, x, [rows, elementCount(x.shape) / rows]);
  const shape = [segments, flat.shape[1] ?? 1];
  const inputs = [flat, reshape(builder, ids, [rows])];
  const sums = builder.node("SegmentSum", inputs, { shape });
  return reshape(builder, sums, [segments, ...x.shape.slice(ids.shape.length)]);
}

function registerCreation(): void {
  recordKernel("Fill", ({ backend, attributes }) =>
    backend.builder.fill(Number(attributes.value), attributes.shape as number[]),
  );
  recordKernel("OnesLike", ({ backend, input }) => backend.builder.fill(1, input("x").shape));
  recordKernel("ZerosLike", ({ backend, input }) => backend.builder.fill(0, input("x").shape));
}

/** Teaches the recording backend TensorFlow.js's own kernels, as far as the model uses them. */
export function registerTensorKernels(): void {
  registerElementwise();
  registerShape();
  registerCreation();
  recordKernel("Sum", (call) => reduction("ReduceSum", call.input("x"), call));
  recordKernel("Mean", (call) => reduction("ReduceMean", call.input("x"), call));
  recordKernel("Max", (call) => reduction("ReduceMax", call.input("x"), call));
  recordKernel("Softmax", ({ backend, input }) => {
    const logits = input("logits");
    return backend.builder.node("Softmax", [logits], { shape: logits.shape });
  });
  recordKernel("UnsortedSegmentSum", (call) => segmentSum(call.backend.builder, call));
  recordKernel("BatchMatMul", (call) => matMul(call.backend.builder, call));
}
