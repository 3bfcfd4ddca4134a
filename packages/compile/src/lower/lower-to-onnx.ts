import type { Graph, GraphNode } from "../graph.js";
import { graphValue } from "../graph.js";
import { inFileOrder } from "../passes/file-order.js";
import { attention } from "./attention.js";
import { convolutionInputs } from "./convolution-inputs.js";
import { convolutionWeights } from "./convolution-weights.js";
import { elementwise } from "./elementwise.js";
import { groupNorms } from "./group-norm.js";
import { type Lower, Lowering, type LoweringOptions } from "./lowering.js";
import { encodeOnnx, type OnnxTensor, onnxTypes } from "./onnx-proto.js";
import { products } from "./products.js";
import { reductions } from "./reduction.js";
import { shaping } from "./shape.js";
import { tiledConvolutions } from "./tiled-convolution.js";

const families: Readonly<Record<string, Lower>> = {
  ...elementwise,
  ...shaping,
  ...reductions,
  ...groupNorms,
  ...products,
  ...convolutionInputs,
  ...convolutionWeights,
  ...tiledConvolutions,
  ...attention,
};

function lowerNode(node: GraphNode, to: Lowering): void {
  const lower = families[node.operation];
  if (lower === undefined) throw new Error(`lower: there is no lowering of ${node.operation}`);
  to.at(node.path);
  lower(node, to);
}

/** Shapes, axes and ranges are the only int64 vectors of a model. */
const isShape = ({ dataType }: OnnxTensor): boolean => dataType === onnxTypes.int64;

/**
 * Lowers a graph to an ONNX model whose weights lie outside it, in the checkpoint's own files.
 *
 * @returns  the model's bytes; the engine must be told the folder of the weight files
 */
export function lowerToOnnx(graph: Graph, options: LoweringOptions): Uint8Array {
  const to = new Lowering(graph, options);
  for (const node of inFileOrder(graph)) lowerNode(node, to);
  const outputs = graph.outputs.map(({ name, value }) => {
    const { shape, type } = graphValue(graph, value);
    const known = to.name(value);
    // An output that is an input, a constant or another output as well needs a node of its own.
    if (known !== name) to.emit("Identity", [known], {}, name);
    return { name, dims: shape, dataType: onnxTypes[type] };
  });
  const inputs = graph.inputs.map(({ origin, shape, type }) => ({
    name: origin.kind === "input" ? origin.name : "",
    dims: shape,
    dataType: onnxTypes[type],
  }));
  const shapes = options.hidesShapes === true ? to.initializers.filter(isShape) : [];
  const opaque = shapes.map(({ name, dataType }) => ({ name, dataType, dims: undefined }));
  return encodeOnnx({
    ...{ nodes: to.nodes, initializers: to.initializers, outputs },
    inputs: [...inputs, ...opaque],
  });
}
