import * as tf from "@tensorflow/tfjs-core";
import {
  type Attributes,
  elementCount,
  type GraphNode,
  type GraphValue,
  graphValue,
  sameShape,
} from "../graph.js";
import type { GraphBuilder } from "./graph-builder.js";

/** The node that computes a value, if it is of the given operation. */
export function producer(value: GraphValue, operation: string): GraphNode | undefined {
  const { origin } = value;
  return origin.kind === "node" && origin.node.operation === operation ? origin.node : undefined;
}

function inputOf(builder: GraphBuilder, node: GraphNode): GraphValue {
  return graphValue(builder, node.inputs[0] ?? -1);
}

/** The number that a value holds everywhere, if it is such a value. */
export function fillOf(value: GraphValue): number | undefined {
  return value.origin.kind === "fill" ? value.origin.value : undefined;
}

const unaryFunctions: Readonly<Record<string, (x: number) => number>> = {
  Neg: (x) => -x,
  Sqrt: Math.sqrt,
  Reciprocal: (x) => 1 / x,
};

/** An elementwise function; of a constant fill it is a fill again, of a reshape it goes before. */
export function unary(
  builder: GraphBuilder,
  operation: string,
  x: GraphValue,
  attributes: Attributes = {},
): GraphValue {
  const number = fillOf(x);
  const known = unaryFunctions[operation];
  if (number !== undefined && known !== undefined) return builder.fill(known(number), x.shape);
  const source = beforeReshape(builder, x);
  const y = builder.node(operation, [source], { shape: source.shape }, attributes);
  return reshape(builder, y, x.shape);
}

/** The value that a reshape shows; the value itself if it is none. */
export function beforeReshape(builder: GraphBuilder, x: GraphValue): GraphValue {
  const node = producer(x, "Reshape");
  return node === undefined ? x : inputOf(builder, node);
}

/**
 * Two operands of the same rows, under the shape that most of them had before they were reshaped:
 * so that between two products nothing is reshaped there and back.
 */
function unshaped(
  builder: GraphBuilder,
  operands: readonly [GraphValue, GraphValue],
): readonly [GraphValue, GraphValue] {
  const [a, b] = operands;
  const rowsOf = ({ shape }: GraphValue): readonly number[] => shape.slice(0, -1);
  if (!sameShape(rowsOf(a), rowsOf(b))) return operands;
  const sources = operands.map((operand) => {
    const source = beforeReshape(builder, operand);
    return source.shape.at(-1) === operand.shape.at(-1) ? source : operand;
  });
  // Of two shapes, the one of matrices: what products take and give.
  const [rows] = sources.map(rowsOf).toSorted((x, y) => x.length - y.length);
  if (rows === undefined || sources.every((source, i) => source === operands[i])) {
    return sameSource(builder, operands);
  }
  const toRows = (x: GraphValue): GraphValue => reshape(builder, x, [...rows, x.shape.at(-1) ?? 1]);
  return [toRows(a), toRows(b)];
}

/** Operands of one shape that both were reshaped from one shape, whatever it was. */
function sameSource(
  builder: GraphBuilder,
  operands: readonly [GraphValue, GraphValue],
): readonly [GraphValue, GraphValue] {
  const [a, b] = operands.map((operand) => beforeReshape(builder, operand));
  if (a === undefined || b === undefined || !sameShape(a.shape, b.shape)) return operands;
  return sameShape(operands[0].shape, operands[1].shape) ? [a, b] : operands;
}

const binaryFunctions: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
};

/** Which fill on which side leaves the other operand as it is. */
const neutral: Readonly<Record<string, { left?: number; right?: number }>> = {
  Add: { left: 0, right: 0 },
  Sub: { right: 0 },
  Mul: { left: 1, right: 1 },
  Div: { right: 1 },
};

/**
 * An elementwise function of two values, with broadcasting. Neutral fills vanish, functions of
 * fills are fills, and a value that was expanded is taken as it was before: the result is.
 */
export function binary(
  builder: GraphBuilder,
  operation: string,
  operands: readonly [GraphValue, GraphValue],
): GraphValue {
  const [a, b] = operands;
  const shape = tf.broadcast_util.assertAndGetBroadcastShape([...a.shape], [...b.shape]);
  const [left, right] = [fillOf(a), fillOf(b)];
  const compute = binaryFunctions[operation];
  if (left !== undefined && right !== undefined && compute !== undefined) {
    return builder.fill(compute(left, right), shape);
  }
  if (operation === "Mul" && (left === 0 || right === 0)) return builder.fill(0, shape);
  if (right !== undefined && right === neutral[operation]?.right) return expand(builder, a, shape);
  if (left !== undefined && left === neutral[operation]?.left) return expand(builder, b, shape);
  const scaled = operation === "Mul" ? scaledProduct(builder, operands) : undefined;
  if (scaled !== undefined) return expand(builder, scaled, shape);
  const narrow = (value: GraphValue): GraphValue => {
    const node = producer(value, "Expand");
    return node === undefined ? asScalar(builder, value) : inputOf(builder, node);
  };
  return expand(builder, elementwise(builder, operation, [narrow(a), narrow(b)]), shape);
}

/** A fill needs one element only where it is broadcast. */
function asScalar(builder: GraphBuilder, value: GraphValue): GraphValue {
  const number = fillOf(value);
  return number === undefined ? value : builder.fill(number, []);
}

/** A number times a matrix product: the product takes it on. */
function scaledProduct(
  builder: GraphBuilder,
  [a, b]: readonly [GraphValue, GraphValue],
): GraphValue | undefined {
  const number = fillOf(a) ?? fillOf(b);
  const product = fillOf(a) === undefined ? a : b;
  const source = beforeReshape(builder, product);
  const node = producer(source, "MatMul");
  if (number === undefined || node === undefined) return undefined;
  const inputs = node.inputs.map((id) => graphValue(builder, id));
  const factor = number * Number(node.attributes.factor);
  const attributes = { ...node.attributes, factor };
  const scaled = builder.node("MatMul", inputs, { shape: source.shape }, attributes);
  return reshape(builder, scaled, product.shape);
}

/** Records a function of two operands, before the reshapes that both have behind them. */
function elementwise(
  builder: GraphBuilder,
  operation: string,
  inputs: readonly [GraphValue, GraphValue],
): GraphValue {
  const [a, b] = inputs;
  const shape = tf.broadcast_util.assertAndGetBroadcastShape([...a.shape], [...b.shape]);
  const scalars = inputs.filter((value) => value.shape.length === 0);
  const [full] = inputs.filter((value) => value.shape.length > 0);
  if (full !== undefined && scalars.length === 1) {
    const source = beforeReshape(builder, full);
    const operands = inputs.map((value) => (value === full ? source : value));
    const y = builder.node(operation, operands, { shape: source.shape });
    return reshape(builder, y, shape);
  }
  const operands = unshaped(builder, [a, b]);
  const joint = tf.broadcast_util.assertAndGetBroadcastShape(
    [...operands[0].shape],
    [...operands[1].shape],
  );
  return reshape(builder, builder.node(operation, operands, { shape: joint }), shape);
}

/** Broadcasts a value to a shape; no node where it has it already. */
export function expand(builder: GraphBuilder, x: GraphValue, shape: readonly number[]): GraphValue {
  if (sameShape(x.shape, shape)) return x;
  const number = fillOf(x);
  if (number !== undefined) return builder.fill(number, shape, x.type);
  return builder.node("Expand", [x], { shape, type: x.type }, { shape: [...shape] });
}

/** Gives a value another shape: a view of weights and fills, one node for chains of reshapes. */
export function reshape(
  builder: GraphBuilder,
  x: GraphValue,
  shape: readonly number[],
): GraphValue {
  if (sameShape(x.shape, shape)) return x;
  if (x.origin.kind === "weight") return builder.weight(x.origin.name, shape, x.origin.begin);
  if (x.origin.kind === "constant") return builder.constant(x.origin.data, shape);
  if (x.origin.kind === "fill") return builder.fill(x.origin.value, shape, x.type);
  const before = producer(x, "Reshape");
  if (before !== undefined) return reshape(builder, inputOf(builder, before), shape);
  return builder.node("Reshape", [x], { shape, type: x.type }, { shape: [...shape] });
}

/** Permutes axes: chains become one, and where only axes of size 1 move it is a reshape. */
export function transpose(
  builder: GraphBuilder,
  x: GraphValue,
  permutation: readonly number[],
): GraphValue {
  const shape = permutation.map((axis) => x.shape[axis] ?? 1);
  const number = fillOf(x);
  if (number !== undefined) return builder.fill(number, shape, x.type);
  const wide = permutation.filter((axis) => (x.shape[axis] ?? 1) > 1);
  if (wide.every((axis, i) => i === 0 || axis > (wide[i - 1] ?? 0))) {
    return reshape(builder, x, shape);
  }
  const before = producer(x, "Transpose");
  if (before !== undefined) {
    const first = before.attributes.perm as readonly number[];
    const joint = permutation.map((axis) => first[axis] ?? 0);
    return transpose(builder, inputOf(builder, before), joint);
  }
  return builder.node("Transpose", [x], { shape, type: x.type }, { perm: [...permutation] });
}

/** Cuts a box out of a value; of a weight, whole rows are a view. */
export function slice(
  builder: GraphBuilder,
  x: GraphValue,
  box: { readonly begin: readonly number[]; readonly size: readonly number[] },
): GraphValue {
  const { begin, size } = box;
  if (sameShape(size, x.shape)) return x;
  const number = fillOf(x);
  if (number !== undefined) return builder.fill(number, size, x.type);
  const wholeRows = size.every((n, axis) => axis === 0 || n === x.shape[axis]);
  if (x.origin.kind === "weight" && wholeRows) {
    const skipped = (begin[0] ?? 0) * elementCount(x.shape.slice(1));
    return builder.weight(x.origin.name, size, x.origin.begin + skipped);
  }
  const attributes = { begin: [...begin], size: [...size] };
  return builder.node("Slice", [x], { shape: size, type: x.type }, attributes);
}

/** Joins values along an axis; parts without elements are left out. */
export function concat(
  builder: GraphBuilder,
  parts: readonly GraphValue[],
  axis: number,
): GraphValue {
  const wanted = parts.filter(({ shape }) => elementCount(shape) > 0);
  const [first] = wanted;
  if (first === undefined) throw new Error("concat: expected at least one part");
  if (wanted.length === 1) return first;
  const along = wanted.reduce((sum, { shape }) => sum + (shape[axis] ?? 0), 0);
  const shape = first.shape.map((size, i) => (i === axis ? along : size));
  return builder.node("Concat", wanted, { shape, type: first.type }, { axis });
}

/** Reduces a value over axes, which stay with size 1; no node where they have it already. */
export function reduced(
  builder: GraphBuilder,
  operation: "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceL2",
  x: GraphValue,
  axes: readonly number[],
): GraphValue {
  const shape = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  if (sameShape(shape, x.shape) && operation !== "ReduceL2") return x;
  return builder.node(operation, [x], { shape }, { axes: [...axes] });
}
