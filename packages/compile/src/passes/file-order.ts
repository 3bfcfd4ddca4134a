import { type Graph, type GraphNode, graphValue } from "../graph.js";

/**
 * Backward nodes that follow from the loss, and not only from activations: those that reach back to
 * the last forward value that the backward pass reads.
 */
function nodesAfterLoss(graph: Graph): ReadonlySet<GraphNode> {
  const latest = new Map<GraphNode, number>();
  graph.nodes.forEach((node, at) => {
    const before = node.inputs.map((id) => {
      const { origin } = graphValue(graph, id);
      return origin.kind === "node" ? (latest.get(origin.node) ?? -1) : -1;
    });
    latest.set(node, node.backward ? Math.max(-1, ...before) : at);
  });
  const backward = graph.nodes.filter((node) => node.backward);
  const last = backward.reduce((most, node) => Math.max(most, latest.get(node) ?? -1), -1);
  return new Set(backward.filter((node) => latest.get(node) === last));
}

/**
 * The order in which nodes stand in the file, so that ONNX Runtime runs them in the graph's order.
 *
 * It runs nodes depth first, from those that nobody reads, the last of the file first, and from
 * each node goes into the input whose node stands last. So what nobody reads stands at the end, in
 * reverse; and what follows from activations alone (recomputed ones too) stands before what follows
 * from the loss, so that it runs only when it is needed.
 */
export function inFileOrder(graph: Graph): GraphNode[] {
  const afterLoss = nodesAfterLoss(graph);
  const read = new Set(graph.nodes.flatMap(({ inputs }) => inputs));
  const isRead = ({ outputs }: GraphNode): boolean => outputs.some((id) => read.has(id));
  const early = graph.nodes.filter((node) => isRead(node) && !afterLoss.has(node));
  const late = graph.nodes.filter((node) => isRead(node) && afterLoss.has(node));
  const ends = graph.nodes.filter((node) => !isRead(node));
  return [...early, ...late, ...ends.reverse()];
}
