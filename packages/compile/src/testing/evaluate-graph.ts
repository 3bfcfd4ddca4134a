import * as tf from "@tensorflow/tfjs";
import { elementCount, type Graph, type GraphNode, graphValue } from "../graph.js";
import { convolutionMeanings } from "./convolution-meanings.js";

/** Numbers by the name of an input, a weight or an output. */
export type Numbers = Readonly<Record<string, Float32Array | Int32Array>>;

type Meaning = (
  inputs: readonly tf.Tensor[],
  node: GraphNode,
  shape: readonly number[],
) => tf.Tensor | tf.Tensor[];

const numbers = (node: GraphNode, name: string): number[] => [
  ...(node.attributes[name] as readonly number[]),
];

const unary = (call: (x: tf.Tensor) => tf.Tensor): Meaning => {
  return ([x]) => call(x as tf.Tensor);
};
const binary = (call: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Meaning => {
  return ([a, b]) => call(a as tf.Tensor, b as tf.Tensor);
};
const reduction = (call: (x: tf.Tensor, axes: number[], keep: boolean) => tf.Tensor): Meaning => {
  return ([x], node) => call(x as tf.Tensor, numbers(node, "axes"), true);
};

const silu: Meaning = ([x], node) =>
  tf.mul(x as tf.Tensor, tf.sigmoid(tf.mul(x as tf.Tensor, Number(node.attributes["scale"]))));

const gelu: Meaning = ([x]) =>
  tf.mul(tf.mul(x as tf.Tensor, 0.5), tf.add(tf.erf(tf.mul(x as tf.Tensor, Math.SQRT1_2)), 1));

const matMul: Meaning = ([a, b], { attributes }) => {
  const { transposeA, transposeB, factor } = attributes;
  const product = tf.matMul(
    a as tf.Tensor,
    b as tf.Tensor,
    transposeA === true,
    transposeB === true,
  );
  return tf.mul(product, Number(factor));
};

const linear: Meaning = ([x, weight, bias]) => {
  const y = tf.matMul(x as tf.Tensor, weight as tf.Tensor, false, true);
  return bias === undefined ? y : tf.add(y, bias);
};

const layerNorm: Meaning = ([x, gain, bias], node) => {
  const { mean, variance } = tf.moments(x as tf.Tensor, -1, true);
  const inverseStd = tf.rsqrt(tf.add(variance, Number(node.attributes["eps"])));
  const y = tf.mul(tf.mul(tf.sub(x as tf.Tensor, mean), inverseStd), gain as tf.Tensor);
  return [tf.add(y, bias as tf.Tensor), mean, inverseStd];
};

/** What each operation of a graph means, in TensorFlow.js's own. */
const meanings: Readonly<Record<string, Meaning>> = {
  ...{ Exp: unary(tf.exp), Log: unary(tf.log), Sqrt: unary(tf.sqrt), Erf: unary(tf.erf) },
  ...{ Sigmoid: unary(tf.sigmoid), Neg: unary(tf.neg), Tanh: unary(tf.tanh), Abs: unary(tf.abs) },
  ...{ Reciprocal: unary(tf.reciprocal), Softmax: unary((x) => tf.softmax(x)) },
  ...{ Add: binary(tf.add), Sub: binary(tf.sub), Mul: binary(tf.mul), Div: binary(tf.div) },
  ...{ Pow: binary(tf.pow), Max: binary(tf.maximum), Min: binary(tf.minimum) },
  ReduceSum: reduction(tf.sum),
  ReduceMean: reduction(tf.mean),
  ReduceMax: reduction(tf.max),
  ReduceL2: reduction((x, axes, keep) => tf.sqrt(tf.sum(tf.square(x), axes, keep))),
  Reshape: ([x], _, shape) => tf.reshape(x as tf.Tensor, [...shape]),
  Expand: ([x], _, shape) => tf.add(x as tf.Tensor, tf.zeros([...shape])),
  Transpose: ([x], node) => tf.transpose(x as tf.Tensor, numbers(node, "perm")),
  Slice: ([x], node) => tf.slice(x as tf.Tensor, numbers(node, "begin"), numbers(node, "size")),
  Concat: (parts, node) => tf.concat([...parts], Number(node.attributes["axis"])),
  Pad: ([x], node) => {
    const after = numbers(node, "after");
    const paddings = numbers(node, "before").map((n, axis): [number, number] => [
      n,
      after[axis] ?? 0,
    ]);
    return tf.pad(x as tf.Tensor, paddings);
  },
  Gather: ([x, at], node) =>
    tf.gather(x as tf.Tensor, at as tf.Tensor, Number(node.attributes["axis"])),
  Silu: silu,
  Gelu: gelu,
  MatMul: matMul,
  Linear: linear,
  LayerNorm: layerNorm,
  ...convolutionMeanings,
};

/**
 * Runs a graph node by node on TensorFlow.js's plain backend: what the graph means, whatever it is
 * lowered to. A node that reads what was not computed before it is an error.
 */
export function evaluateGraph(graph: Graph, given: Numbers): Record<string, number[]> {
  return tf.tidy(() => {
    const computed = new Map<number, tf.Tensor>();
    const find = (id: number): tf.Tensor => {
      const { origin, shape, type } = graphValue(graph, id);
      if (origin.kind === "fill") return tf.fill([...shape], origin.value, type);
      if (origin.kind === "constant") return tf.tensor(origin.data, [...shape], type);
      if (origin.kind === "node") {
        const tensor = computed.get(id);
        if (tensor === undefined) throw new Error(`${origin.node.operation} was not run yet`);
        return tensor;
      }
      const begin = origin.kind === "weight" ? origin.begin : 0;
      const data = given[origin.name]?.subarray(begin, begin + elementCount(shape));
      if (data === undefined) throw new Error(`there is no ${origin.name}`);
      return tf.tensor(data, [...shape], type);
    };
    for (const node of graph.nodes) {
      const meaning = meanings[node.operation];
      if (meaning === undefined) throw new Error(`what does ${node.operation} mean?`);
      const { shape } = graphValue(graph, node.outputs[0] ?? -1);
      const result = meaning(node.inputs.map(find), node, shape);
      for (const [at, tensor] of (Array.isArray(result) ? result : [result]).entries()) {
        const id = node.outputs[at] ?? -1;
        const expected = graphValue(graph, id).shape;
        if (`${tensor.shape}` !== `${expected}`) {
          throw new Error(`${node.operation}: recorded [${expected}], is [${tensor.shape}]`);
        }
        computed.set(id, tensor);
      }
    }
    const results = graph.outputs.map(({ name, value }) => [name, [...find(value).dataSync()]]);
    return Object.fromEntries(results) as Record<string, number[]>;
  });
}
