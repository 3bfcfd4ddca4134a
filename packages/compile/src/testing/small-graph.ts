import {
  type Attributes,
  type Graph,
  type GraphNode,
  type GraphValue,
  graphValue,
  type Origin,
} from "../graph.js";

/** What a node of a small graph may say beside what it reads. */
interface NodeTerms {
  readonly attributes?: Attributes;
  readonly segment?: string;
  readonly backward?: boolean;
  readonly shape?: readonly number[];
  /** Of several outputs; the id of the first is given back. */
  readonly shapes?: readonly (readonly number[])[];
}

/**
 * Puts a graph together node by node, with ids as they are made, so that passes can be read by it.
 */
export class SmallGraph {
  readonly #values: GraphValue[] = [];
  readonly #nodes: GraphNode[] = [];

  #value(origin: Origin, shape: readonly number[]): number {
    const id = this.#values.length;
    this.#values.push({ id, shape, type: "float32", origin });
    return id;
  }

  input(name: string, shape: readonly number[] = [2]): number {
    return this.#value({ kind: "input", name }, shape);
  }

  weight(name: string, shape: readonly number[], begin = 0): number {
    return this.#value({ kind: "weight", name, begin }, shape);
  }

  /** A node with one output, of the shape of what it reads first, if not told otherwise. */
  node(operation: string, inputs: readonly number[], terms: NodeTerms = {}): number {
    const { attributes = {}, segment = "", backward = false } = terms;
    const shape = terms.shape ?? graphValue({ values: this.#values }, inputs[0] ?? -1).shape;
    const outputs: number[] = [];
    const node = { operation, inputs, outputs, attributes, path: "", segment, backward };
    this.#nodes.push(node);
    const shapes = terms.shapes ?? [shape];
    outputs.push(...shapes.map((each) => this.#value({ kind: "node", node }, each)));
    return outputs[0] ?? -1;
  }

  graph(outputs: Readonly<Record<string, number>>): Graph {
    return {
      nodes: this.#nodes,
      values: this.#values,
      inputs: this.#values.filter(({ origin }) => origin.kind === "input"),
      outputs: Object.entries(outputs).map(([name, value]) => ({ name, value })),
    };
  }
}

/** A graph's nodes as text: `output = Operation(inputs)`, with `'` behind what runs backward. */
export function nodesAsText(nodes: readonly GraphNode[]): string[] {
  return nodes.map(({ operation, inputs, outputs, backward }) => {
    return `${outputs.join()} = ${operation}${backward ? "'" : ""}(${inputs.join()})`;
  });
}
