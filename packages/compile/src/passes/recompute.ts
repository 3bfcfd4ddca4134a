import {
  type Graph,
  type GraphNode,
  type GraphValue,
  graphValue,
  neededNodes,
  type ValueId,
} from "../graph.js";

/** Copies nodes of the forward pass for the backward pass, each at most once. */
class Copies {
  readonly values: GraphValue[];
  readonly #graph: Graph;
  readonly #kept: ReadonlySet<ValueId>;
  readonly #copies = new Map<ValueId, ValueId>();

  constructor(graph: Graph, kept: ReadonlySet<ValueId>) {
    this.#graph = graph;
    this.#kept = kept;
    this.values = [...graph.values];
  }

  /** The value to read in the backward pass, with the copies it takes pushed onto `nodes`. */
  of(id: ValueId, nodes: GraphNode[]): ValueId {
    const known = this.#copies.get(id);
    if (known !== undefined) return known;
    const { origin } = graphValue(this.#graph, id);
    const dropped = origin.kind === "node" && isDropped(origin.node) && !this.#kept.has(id);
    if (origin.kind !== "node" || !dropped) return id;
    const inputs = origin.node.inputs.map((input) => this.of(input, nodes));
    const outputs: ValueId[] = [];
    const node: GraphNode = { ...origin.node, inputs, outputs, backward: true };
    nodes.push(node);
    for (const output of origin.node.outputs) {
      const copy = { ...graphValue(this.#graph, output), id: this.values.length };
      this.values.push({ ...copy, origin: { kind: "node", node } });
      outputs.push(copy.id);
      this.#copies.set(output, copy.id);
    }
    return this.#copies.get(id) ?? id;
  }
}

function isDropped(node: GraphNode): boolean {
  return node.segment !== "" && !node.backward;
}

/** What leaves its segment in the forward pass is alive anyway: the backward pass needs it. */
function valuesKept(graph: Graph): Set<ValueId> {
  const kept = new Set(graph.outputs.map(({ value }) => value));
  for (const node of graph.nodes) {
    if (node.backward) continue;
    for (const id of node.inputs) {
      const { origin } = graphValue(graph, id);
      if (origin.kind === "node" && origin.node.segment !== node.segment) kept.add(id);
    }
  }
  return kept;
}

/**
 * Drops what was computed inside recompute marks, and computes it again in the backward pass right
 * before it is read first. The numbers stay the same to the bit: the same operations run on the
 * same values.
 *
 * @source Chen et al. 2016, arXiv:1604.06174
 */
export function recomputeActivations(graph: Graph): Graph {
  const copies = new Copies(graph, valuesKept(graph));
  const nodes: GraphNode[] = [];
  const redirected = new Map<ValueId, GraphNode>();
  for (const node of graph.nodes) {
    if (!node.backward) {
      nodes.push(node);
      continue;
    }
    const inputs = node.inputs.map((id) => copies.of(id, nodes));
    const changed = inputs.some((id, position) => id !== node.inputs[position]);
    const kept = changed ? { ...node, inputs } : node;
    nodes.push(kept);
    if (changed) for (const id of node.outputs) redirected.set(id, kept);
  }
  const values = copies.values.map((value) => {
    const node = redirected.get(value.id);
    return node === undefined ? value : { ...value, origin: { kind: "node" as const, node } };
  });
  return { ...graph, nodes: neededNodes(nodes, graph.outputs), values };
}
