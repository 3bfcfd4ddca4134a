import type { Graph, GraphNode, GraphValue, ValueId } from "../graph.js";
import { elementCount, graphValue } from "../graph.js";
import { type OnnxAttribute, type OnnxNode, type OnnxTensor, onnxTypes } from "./onnx-proto.js";

/** Bytes of a weight in the checkpoint's own file. */
export interface WeightRange {
  /** File name within the folder that the engine is told. */
  readonly location: string;
  readonly offset: number;
}

/** What an engine likes, where engines differ. */
export interface LoweringOptions {
  readonly weights: (name: string) => WeightRange;
  readonly target: "cpu" | "gpu";
  /** `plain` where the device's own attention was found to be wrong; `fused` by default. */
  readonly attention?: "fused" | "plain";
  /**
   * Makes the shapes that nodes are given inputs with a default, which a caller could replace. ONNX
   * Runtime then knows no shape between nodes beforehand, and frees every buffer after its last
   * use. It would else pass dead buffers on to later values of the same shape, which keeps them
   * allocated in between: 3 times the memory of a pass at the size of Stable Diffusion. Not even
   * the shapes' own lengths are told: a known rank would make ONNX Runtime compare every value
   * with every buffer that was freed, which takes longer than all else of opening a session.
   */
  readonly hidesShapes?: boolean;
  /**
   * Whether the engine may hold copies of weights, in layouts that it likes better than the stored
   * ones, and computes what follows from weights alone when it opens the program.
   */
  readonly copiesWeights?: boolean;
}

/** How one operation becomes ONNX nodes. */
export type Lower = (node: GraphNode, to: Lowering) => void;

const microsoft = "com.microsoft";

/** Fills of up to so many elements are stored, so that no node has to make them at every run. */
const storedFillMax = 2 ** 12;

/** Collects the ONNX nodes and tensors of a graph that is being lowered. */
export class Lowering {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxTensor[] = [];
  readonly options: LoweringOptions;
  readonly #graph: Graph;
  readonly #names = new Map<ValueId, string>();
  readonly #constants = new Map<string, string>();
  readonly #read: ReadonlySet<ValueId>;
  #path = "";

  constructor(graph: Graph, options: LoweringOptions) {
    this.#graph = graph;
    this.#read = new Set(graph.nodes.flatMap(({ inputs }) => inputs));
    this.options = options;
    for (const { name, value } of graph.outputs) {
      const isComputed = this.value(value).origin.kind === "node";
      if (isComputed && !this.#names.has(value)) this.#names.set(value, name);
    }
  }

  value(id: ValueId): GraphValue {
    return graphValue(this.#graph, id);
  }

  shape(id: ValueId): readonly number[] {
    return this.value(id).shape;
  }

  /** Whether a node of the graph reads the value. */
  isRead(id: ValueId): boolean {
    return this.#read.has(id);
  }

  /** What nodes are named by from here on. */
  at(path: string): void {
    this.#path = path;
  }

  /** The ONNX name of a value; makes the initializer of a weight or constant at its first use. */
  name(id: ValueId): string {
    const known = this.#names.get(id);
    if (known !== undefined) return known;
    const value = this.value(id);
    const name = this.#nameOf(value);
    this.#names.set(id, name);
    return name;
  }

  #nameOf(value: GraphValue): string {
    const { origin, shape, id } = value;
    const dataType = onnxTypes[value.type];
    switch (origin.kind) {
      case "node":
        return `v${id}`;
      case "input":
        return origin.name;
      case "weight": {
        const { location, offset } = this.options.weights(origin.name);
        const name = `${origin.name}+${origin.begin}[${shape}]`;
        const length = 4 * shape.reduce((a, b) => a * b, 1);
        const begin = offset + 4 * origin.begin;
        this.initializers.push({ name, dims: shape, dataType, location, offset: begin, length });
        return name;
      }
      case "constant": {
        const { buffer, byteOffset, byteLength } = origin.data;
        const rawData = new Uint8Array(buffer, byteOffset, byteLength);
        this.initializers.push({ name: `c${id}`, dims: shape, dataType, rawData });
        return `c${id}`;
      }
      case "fill":
        return this.#fill(origin.value, value);
    }
  }

  /** A fill is stored where it is short; else it is one number, expanded. */
  #fill(number: number, { shape, type }: GraphValue): string {
    const count = elementCount(shape);
    if (shape.length > 0 && count <= storedFillMax) {
      const all = type === "float32" ? new Float32Array(count) : new Int32Array(count);
      const rawData = new Uint8Array(all.fill(number).buffer);
      const stored = { dataType: onnxTypes[type], rawData };
      return this.#constant(`${type}:${number}[${shape}]`, shape, stored);
    }
    const data = type === "float32" ? Float32Array.of(number) : Int32Array.of(number);
    const scalar = this.#constant(`${type}:${number}`, [], {
      dataType: onnxTypes[type],
      rawData: new Uint8Array(data.buffer),
    });
    return shape.length === 0 ? scalar : this.emit("Expand", [scalar, this.ints(shape)]);
  }

  #constant(
    key: string,
    dims: readonly number[],
    data: { readonly dataType: number; readonly rawData: Uint8Array },
  ): string {
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const name = `k${this.#constants.size}`;
    this.#constants.set(key, name);
    this.initializers.push({ name, dims, ...data });
    return name;
  }

  /** Name of an int64 vector, as shapes and axes are given. */
  ints(numbers: readonly number[]): string {
    const rawData = new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer);
    return this.#constant(`ints:${numbers}`, [numbers.length], {
      dataType: onnxTypes.int64,
      rawData,
    });
  }

  /** Name of a float32 tensor; a vector, if no shape is told. */
  floats(numbers: readonly number[], shape: readonly number[] = [numbers.length]): string {
    const rawData = new Uint8Array(Float32Array.from(numbers).buffer);
    const { float32: dataType } = onnxTypes;
    return this.#constant(`floats:${numbers}[${shape}]`, shape, { dataType, rawData });
  }

  /** Name of a float32 scalar. */
  scalar(number: number): string {
    const rawData = new Uint8Array(Float32Array.of(number).buffer);
    return this.#constant(`float32:${number}`, [], { dataType: onnxTypes.float32, rawData });
  }

  /** Emits a node whose one output is `output`, or fresh. Returns the output's name. */
  emit(
    opType: string,
    input: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    output = `n${this.nodes.length}`,
  ): string {
    this.#push({ opType, input, attributes, output: [output], domain: "" });
    return output;
  }

  /** Emits a node with several outputs, under the given names. */
  emitMany(
    opType: string,
    input: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>>,
    output: readonly string[],
  ): void {
    this.#push({ opType, input, attributes, output, domain: "" });
  }

  /** As `emit`, for the operators that ONNX Runtime adds. */
  emitContributed(
    opType: string,
    input: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    output = `n${this.nodes.length}`,
  ): string {
    this.#push({ opType, input, attributes, output: [output], domain: microsoft });
    return output;
  }

  #push(node: {
    readonly opType: string;
    readonly input: readonly string[];
    readonly attributes: Readonly<Record<string, OnnxAttribute>>;
    readonly output: readonly string[];
    readonly domain: string;
  }): void {
    const name = `${this.#path}/${node.opType}_${this.nodes.length}`;
    this.nodes.push({ ...node, name });
  }
}

/** The one output of a node. */
export function outputOf(node: GraphNode): ValueId {
  const [output] = node.outputs;
  if (output === undefined) throw new Error(`${node.operation}: expected an output`);
  return output;
}

/** The input of a node at a position. */
export function inputOf(node: GraphNode, position: number): ValueId {
  const input = node.inputs[position];
  if (input === undefined) throw new Error(`${node.operation}: expected input ${position}`);
  return input;
}

/** A list of integers among a node's attributes. */
export function integersOf(node: GraphNode, name: string): readonly number[] {
  const value = node.attributes[name];
  if (!Array.isArray(value)) throw new Error(`${node.operation}: expected integers in ${name}`);
  return value;
}
