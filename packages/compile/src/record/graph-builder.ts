import { currentRecomputeMark, currentScopePath, inBackwardPass } from "@retake/model";
import {
  type Attributes,
  type ElementType,
  type Graph,
  type GraphNode,
  type GraphOutput,
  type GraphValue,
  graphValue,
  neededNodes,
  type Origin,
  type ValueId,
} from "../graph.js";

/** Shape and element type of a node's output. */
export interface ValueType {
  readonly shape: readonly number[];
  readonly type?: ElementType;
}

/**
 * Collects values and nodes while a program is recorded. The same operation on the same values is
 * recorded once.
 */
export class GraphBuilder {
  readonly values: GraphValue[] = [];
  readonly #nodes: GraphNode[] = [];
  readonly #inputs: GraphValue[] = [];
  readonly #known = new Map<string, readonly ValueId[]>();
  readonly #weights = new Map<string, GraphValue>();
  readonly #fills = new Map<string, GraphValue>();

  #value(origin: Origin, { shape, type = "float32" }: ValueType): GraphValue {
    const value: GraphValue = { id: this.values.length, shape: [...shape], type, origin };
    this.values.push(value);
    return value;
  }

  input(name: string, type: ValueType): GraphValue {
    const value = this.#value({ kind: "input", name }, type);
    this.#inputs.push(value);
    return value;
  }

  /** Part of a weight, reinterpreted with `shape`; whole and as stored when `begin` is 0. */
  weight(name: string, shape: readonly number[], begin = 0): GraphValue {
    const key = `${name}+${begin}[${shape}]`;
    const known = this.#weights.get(key);
    if (known !== undefined) return known;
    const value = this.#value({ kind: "weight", name, begin }, { shape });
    this.#weights.set(key, value);
    return value;
  }

  fill(number: number, shape: readonly number[], type: ElementType = "float32"): GraphValue {
    const rounded = type === "float32" ? Math.fround(number) : number;
    const key = `${type}:${Object.is(rounded, -0) ? "-0" : rounded}[${shape}]`;
    const known = this.#fills.get(key);
    if (known !== undefined) return known;
    const value = this.#value({ kind: "fill", value: rounded }, { shape, type });
    this.#fills.set(key, value);
    return value;
  }

  constant(data: Float32Array | Int32Array, shape: readonly number[]): GraphValue {
    const first = data[0] ?? 0;
    const type = data instanceof Float32Array ? "float32" : "int32";
    if (data.every((value) => value === first)) return this.fill(first, shape, type);
    return this.#value({ kind: "constant", data }, { shape, type });
  }

  /** Records an operation with one output, or finds it among those recorded already. */
  node(
    operation: string,
    inputs: readonly GraphValue[],
    output: ValueType,
    attributes: Attributes = {},
  ): GraphValue {
    const [value] = this.nodes(operation, inputs, [output], attributes);
    if (value === undefined) throw new Error(`${operation}: expected one output`);
    return value;
  }

  /** Records an operation with any number of outputs. */
  nodes(
    operation: string,
    inputs: readonly GraphValue[],
    outputs: readonly ValueType[],
    attributes: Attributes = {},
  ): GraphValue[] {
    const ids = inputs.map(({ id }) => id);
    const shapes = outputs.map(({ shape }) => shape);
    const key = JSON.stringify([operation, ids, attributes, shapes]);
    const known = this.#known.get(key);
    if (known !== undefined) return known.map((id) => graphValue(this, id));
    const outputIds: ValueId[] = [];
    const node: GraphNode = {
      operation,
      inputs: ids,
      outputs: outputIds,
      attributes,
      path: currentScopePath(),
      segment: currentRecomputeMark(),
      backward: inBackwardPass(),
    };
    this.#nodes.push(node);
    const values = outputs.map((type) => this.#value({ kind: "node", node }, type));
    outputIds.push(...values.map(({ id }) => id));
    this.#known.set(key, outputIds);
    return values;
  }

  /** The graph of everything that the outputs need. */
  finish(outputs: readonly GraphOutput[]): Graph {
    const nodes = neededNodes(this.#nodes, outputs);
    return { nodes, values: this.values, inputs: this.#inputs, outputs };
  }
}
