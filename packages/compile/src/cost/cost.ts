import { elementCount, type Graph, type GraphNode, type GraphValue, graphValue } from "../graph.js";
import { Arena, type Chunk } from "./arena.js";

/** What running a graph once takes, as sums over its nodes. */
export interface Cost {
  /** Floating-point operations, a multiplication and an addition counting two. */
  readonly flops: number;
  /** Bytes that nodes read and write as they are lowered, each value counted at each use. */
  readonly bytesMoved: number;
  /** Bytes of frozen weights that the graph reads, each stored byte once. */
  readonly weightBytes: number;
  /** Bytes of the graph's inputs. */
  readonly inputBytes: number;
  /**
   * What a run takes besides inputs and weights: the engine's arena for computed values, and the
   * outputs, which the engine hands out as copies.
   */
  readonly runBytesMax: number;
}

const bytesPerElement = 4;

function bytesOf(value: GraphValue): number {
  return bytesPerElement * elementCount(value.shape);
}

/** Operations whose result is the same bytes under another shape. */
const isView = (node: GraphNode): boolean => node.operation === "Reshape";

type Flops = (node: GraphNode, shape: (id: number) => readonly number[]) => number;

const output = (node: GraphNode): number => node.outputs[0] ?? -1;
const input = (node: GraphNode, position: number): number => node.inputs[position] ?? -1;

/** Operations per element of the output, for the elementwise ones that are not one. */
const perElement: Readonly<Record<string, number>> = {
  Softmax: 5,
  LayerNorm: 8,
  Silu: 5,
  Gelu: 8,
  ScaleShift: 2,
  Transpose: 0,
  Reshape: 0,
  Slice: 0,
  Concat: 0,
  Expand: 0,
  Pad: 0,
  Gather: 0,
};

const flopsOf: Readonly<Record<string, Flops>> = {
  Linear: (node, shape) => 2 * elementCount(shape(output(node))) * (shape(input(node, 1))[1] ?? 1),
  MatMul: (node, shape) => {
    const inner = shape(input(node, 0)).at(node.attributes.transposeA === true ? -2 : -1) ?? 1;
    return 2 * elementCount(shape(output(node))) * inner;
  },
  Convolution: (node, shape) =>
    2 * elementCount(shape(output(node))) * elementCount(shape(input(node, 1)).slice(1)),
  ConvolutionInputGradient: (node, shape) =>
    2 * elementCount(shape(input(node, 0))) * elementCount(shape(input(node, 1)).slice(1)),
  ConvolutionWeightGradient: (node, shape) =>
    2 * elementCount(shape(input(node, 1))) * elementCount(shape(output(node)).slice(1)),
  TileWeights: (node, shape) => 2 * elementCount(shape(output(node))) * 9,
  TileInput: (node, shape) => 2 * elementCount(shape(output(node))) * 16,
  TileOutput: (node, shape) => (2 * 16 + 1) * elementCount(shape(output(node))),
  SegmentSum: (node, shape) =>
    2 * elementCount(shape(input(node, 0))) * (shape(output(node))[0] ?? 1),
  Attention: (node, shape) =>
    4 * elementCount(shape(input(node, 0))) * (shape(input(node, 1))[1] ?? 1),
  FrameMoments: (node, shape) => 4 * elementCount(shape(input(node, 0))),
  ReduceSum: (node, shape) => elementCount(shape(input(node, 0))),
  ReduceMean: (node, shape) => elementCount(shape(input(node, 0))),
  ReduceMax: (node, shape) => elementCount(shape(input(node, 0))),
  ReduceL2: (node, shape) => 2 * elementCount(shape(input(node, 0))),
};

/** Floating-point operations of one node. */
export function nodeFlops(graph: Graph, node: GraphNode): number {
  const shape = (id: number): readonly number[] => graphValue(graph, id).shape;
  const known = flopsOf[node.operation];
  if (known !== undefined) return known(node, shape);
  return (perElement[node.operation] ?? 1) * elementCount(shape(output(node)));
}

/** The value whose bytes a view shows; the value itself where it is no view. */
function ownerOf(graph: Graph, id: number): GraphValue {
  const value = graphValue(graph, id);
  const { origin } = value;
  if (origin.kind !== "node" || !isView(origin.node)) return value;
  return ownerOf(graph, origin.node.inputs[0] ?? -1);
}

/** How often the lowering of a node reads or writes its first input besides once. */
const passesBesides: Readonly<Record<string, number>> = {
  // The mean, the difference (read, written), its squares.
  FrameMoments: 3,
  // The product is written and read.
  ScaleShift: 2,
  // The results in tiles, and then on the map, are written and read: each a quarter of the input.
  TileOutput: 1,
};

/** What an engine does with a graph that its nodes do not say. */
export interface CostOptions {
  /** Whether it puts convolutions' inputs and outputs into blocks of channels, and back. */
  readonly blocksConvolutions?: boolean;
}

function bytesBesides(
  graph: Graph,
  node: GraphNode,
  { blocksConvolutions = false }: CostOptions,
): number {
  const [first = -1] = node.inputs;
  const passes = passesBesides[node.operation];
  if (passes !== undefined) return passes * bytesOf(graphValue(graph, first));
  if (!blocksConvolutions || node.operation !== "Convolution") return 0;
  const reordered = [first, output(node)].map((id) => bytesOf(graphValue(graph, id)));
  return 2 * reordered.reduce((sum, bytes) => sum + bytes, 0);
}

/** Bytes that the lowering of a node needs besides its outputs, while it runs. */
function scratchBytes(graph: Graph, node: GraphNode): number {
  const [first] = node.inputs;
  if (node.operation !== "FrameMoments" || first === undefined) return 0;
  return bytesOf(graphValue(graph, first));
}

/**
 * The most bytes that the engine's arena touches for computed values, when nodes run in the graph's
 * order, each value is freed after its last use, and outputs stay to the end.
 */
function arenaBytesMax(graph: Graph): number {
  const { nodes } = graph;
  const lastUse = new Map<number, number>();
  nodes.forEach((node, at) => {
    for (const id of node.inputs) lastUse.set(ownerOf(graph, id).id, at);
  });
  for (const { value } of graph.outputs) lastUse.set(ownerOf(graph, value).id, nodes.length);
  const arena = new Arena();
  const freedAt = new Map<number, Chunk[]>();
  nodes.forEach((node, at) => {
    const scratch = scratchBytes(graph, node);
    const passing = scratch > 0 ? [arena.allocate(scratch)] : [];
    for (const id of isView(node) ? [] : node.outputs) {
      const until = lastUse.get(id) ?? at;
      const chunk = arena.allocate(bytesOf(graphValue(graph, id)));
      freedAt.set(until, [...(freedAt.get(until) ?? []), chunk]);
    }
    for (const chunk of [...passing, ...(freedAt.get(at) ?? [])]) arena.free(chunk);
  });
  return arena.touchedBytes;
}

/** Bytes of a stored tensor, from `begin` up to, not including, `end`. */
interface Range {
  readonly begin: number;
  readonly end: number;
}

/** How many bytes lie in at least one of the ranges. */
function bytesCovered(ranges: readonly Range[]): number {
  let covered = 0;
  let reached = 0;
  for (const { begin, end } of ranges.toSorted((a, b) => a.begin - b.begin)) {
    covered += Math.max(0, end - Math.max(begin, reached));
    reached = Math.max(reached, end);
  }
  return covered;
}

/** Predicts what running a graph once takes. */
export function cost(graph: Graph, options: CostOptions = {}): Cost {
  const weights = new Map<string, Range[]>();
  let flops = 0;
  let bytesMoved = 0;
  for (const node of graph.nodes) {
    flops += nodeFlops(graph, node);
    if (isView(node)) continue;
    bytesMoved += bytesBesides(graph, node, options);
    for (const id of [...node.inputs, ...node.outputs]) {
      const value = graphValue(graph, id);
      bytesMoved += bytesOf(value);
      const { origin } = value;
      if (origin.kind !== "weight") continue;
      const begin = bytesPerElement * origin.begin;
      const range = { begin, end: begin + bytesOf(value) };
      weights.set(origin.name, [...(weights.get(origin.name) ?? []), range]);
    }
  }
  const outputBytes = graph.outputs.reduce(
    (sum, { value }) => sum + bytesOf(graphValue(graph, value)),
    0,
  );
  return {
    flops,
    bytesMoved,
    weightBytes: [...weights.values()].reduce((sum, ranges) => sum + bytesCovered(ranges), 0),
    inputBytes: graph.inputs.reduce((sum, value) => sum + bytesOf(value), 0),
    runBytesMax: arenaBytesMax(graph) + outputBytes,
  };
}
