import { describe, expect, it } from "vitest";
import { nodesAsText, SmallGraph } from "../testing/small-graph.js";
import { inFileOrder } from "./file-order.js";

/**
 * The order in which ONNX Runtime runs nodes of a file: depth first from those that nobody reads,
 * the last of the file first, into the input whose node stands last before the others.
 */
function runningOrder(file: ReturnType<typeof inFileOrder>): typeof file {
  const at = new Map(file.flatMap((node, i) => node.outputs.map((id) => [id, i] as const)));
  const read = new Set(file.flatMap(({ inputs }) => inputs));
  const done = new Set<number>();
  const order: (typeof file)[number][] = [];
  const visit = (i: number): void => {
    const node = file[i];
    if (node === undefined || done.has(i)) return;
    done.add(i);
    const before = node.inputs.flatMap((id) => at.get(id) ?? []).sort((a, b) => b - a);
    for (const input of before) visit(input);
    order.push(node);
  };
  for (let i = file.length - 1; i >= 0; i -= 1) {
    if (!file[i]?.outputs.some((id) => read.has(id))) visit(i);
  }
  return order;
}

/**
 * Two layers forward, the loss, and backward from the last layer to the first; marked, so copied.
 */
function twoLayers() {
  const small = new SmallGraph();
  const x = small.input("x");
  const one = small.node("Tanh", [x]);
  const two = small.node("Exp", [one]);
  const loss = small.node("Neg", [two]);
  const backward = true;
  const copyOfTwo = small.node("Exp", [one], { backward });
  const towardsTwo = small.node("Mul", [loss, copyOfTwo], { backward });
  const weightTwo = small.node("Mul", [towardsTwo, one], { backward });
  const copyOfOne = small.node("Tanh", [x], { backward });
  const towardsOne = small.node("Mul", [towardsTwo, copyOfOne], { backward });
  const weightOne = small.node("Mul", [towardsOne, x], { backward });
  return small.graph({ loss, weightTwo, weightOne });
}

describe("inFileOrder", () => {
  it("puts what follows from activations alone before what follows from the loss", () => {
    expect(nodesAsText(inFileOrder(twoLayers()))).toEqual([
      ...["1 = Tanh(0)", "2 = Exp(1)", "3 = Neg(2)", "4 = Exp'(1)", "7 = Tanh'(0)"],
      ...["5 = Mul'(3,4)", "8 = Mul'(5,7)"],
      ...["9 = Mul'(8,0)", "6 = Mul'(5,1)"],
    ]);
  });

  it("makes ONNX Runtime run copies right before their first reader", () => {
    const graph = twoLayers();
    const runs = nodesAsText(runningOrder(inFileOrder(graph)));
    const wanted = nodesAsText(graph.nodes);
    // The last forward pass and copies may change places with each other, never with what reads
    // them.
    expect(runs.indexOf("6 = Mul'(5,1)")).toBeLessThan(runs.indexOf("7 = Tanh'(0)"));
    expect(runs.slice(-3)).toEqual(wanted.slice(-3));
    expect([...runs].sort()).toEqual([...wanted].sort());
  });

  it("keeps every node once, and none before what it reads", () => {
    const graph = twoLayers();
    const order = inFileOrder(graph);
    expect(new Set(order)).toEqual(new Set(graph.nodes));
    const seen = new Set(graph.inputs.map(({ id }) => id));
    for (const { inputs, outputs } of order) {
      for (const id of inputs) expect(seen.has(id)).toBe(true);
      for (const id of outputs) seen.add(id);
    }
  });

  it("puts what nobody reads at the end, the first of them last", () => {
    const small = new SmallGraph();
    const x = small.input("x");
    const [a, b] = [small.node("Exp", [x]), small.node("Neg", [x])];
    const c = small.node("Tanh", [small.node("Abs", [x])]);
    const names = inFileOrder(small.graph({ a, b, c })).map(({ operation }) => operation);
    expect(names).toEqual(["Abs", "Tanh", "Neg", "Exp"]);
  });
});
