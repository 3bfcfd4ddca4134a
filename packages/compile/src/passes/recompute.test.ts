import { createProgram, type UNetConfig, unetInputTensors } from "@retake/model";
import { describe, expect, it } from "vitest";
import { cost } from "../cost/cost.js";
import type { Graph } from "../graph.js";
import { traceProgram } from "../record/trace.js";
import { evaluateGraph } from "../testing/evaluate-graph.js";
import { nodesAsText, SmallGraph } from "../testing/small-graph.js";
import { recomputeActivations } from "./recompute.js";

const x = Float32Array.of(0.3, -0.7);
const numbersOf = (graph: Graph): Record<string, number[]> => evaluateGraph(graph, { x });

/** y = exp(tanh(x)) inside mark `a`, loss = neg(y), and gradients that read what is inside. */
function markedGraph(): Graph {
  const small = new SmallGraph();
  const input = small.input("x");
  const inner = small.node("Tanh", [input], { segment: "a" });
  const out = small.node("Exp", [inner], { segment: "a" });
  const loss = small.node("Neg", [out]);
  const first = small.node("Mul", [loss, inner], { backward: true });
  const second = small.node("Mul", [first, inner], { backward: true });
  return small.graph({ loss, second });
}

const config: UNetConfig = {
  ...{ inChannels: 4, outChannels: 4, blockOutChannels: [8, 16], layersPerBlock: 1 },
  ...{ downAttention: [true, false], upAttention: [false, true], heads: [2, 2] },
  ...{ crossAttentionDim: 4, normGroups: 4, normEps: 1e-5, downsamplePadding: 1 },
  ...{ flipSinToCos: true, freqShift: 0 },
};

describe("recomputeActivations", () => {
  it("lowers the peak of the U-Net's gradients, for one more forward pass at most", () => {
    const trainable = unetInputTensors(config)
      .map(({ name }) => name)
      .filter((name) => !name.includes("norm"));
    const shape = { batch: 1, frames: 4, height: 8, width: 8, promptTokens: 3 };
    const spec = { kind: "unet-gradients", config, shape, trainable, memory: "low" } as const;
    const graph = traceProgram(createProgram(spec));
    const forward = traceProgram(createProgram({ kind: "unet", config, shape }));
    const [fast, low] = [cost(graph), cost(recomputeActivations(graph))];
    expect(low.runBytesMax).toBeLessThan(0.7 * fast.runBytesMax);
    expect(low.flops - fast.flops).toBeGreaterThan(0);
    expect(low.flops - fast.flops).toBeLessThan(cost(forward).flops);
  });

  it("computes what a mark dropped again, once, right before it is read first", () => {
    const again = recomputeActivations(markedGraph());
    expect(nodesAsText(again.nodes)).toEqual([
      "1 = Tanh(0)",
      "2 = Exp(1)",
      "3 = Neg(2)",
      "6 = Tanh'(0)",
      "4 = Mul'(3,6)",
      "5 = Mul'(4,6)",
    ]);
  });

  it("gives the same numbers to the bit", () => {
    const graph = markedGraph();
    expect(numbersOf(recomputeActivations(graph))).toEqual(numbersOf(graph));
  });

  it("keeps what crosses from a mark into the forward pass", () => {
    const small = new SmallGraph();
    const inner = small.node("Tanh", [small.input("x")], { segment: "a" });
    const next = small.node("Exp", [inner], { segment: "b" });
    const loss = small.node("Neg", [next]);
    const gradient = small.node("Mul", [loss, inner], { backward: true });
    const graph = small.graph({ loss, gradient });
    expect(nodesAsText(recomputeActivations(graph).nodes)).toEqual(nodesAsText(graph.nodes));
  });

  it("keeps what is an output, lies outside of marks, or was marked in the backward pass", () => {
    const small = new SmallGraph();
    const input = small.input("x");
    const given = small.node("Tanh", [input], { segment: "a" });
    const outside = small.node("Exp", [input]);
    const loss = small.node("Neg", [outside]);
    const late = small.node("Mul", [loss, given], { backward: true, segment: "a" });
    const gradient = small.node("Mul", [late, outside], { backward: true });
    const graph = small.graph({ loss, given, gradient });
    expect(nodesAsText(recomputeActivations(graph).nodes)).toEqual(nodesAsText(graph.nodes));
  });

  it("computes a chain inside a mark again from what went into the mark", () => {
    const small = new SmallGraph();
    const before = small.node("Tanh", [small.input("x")]);
    const one = small.node("Exp", [before], { segment: "a" });
    const two = small.node("Neg", [one], { segment: "a" });
    const three = small.node("Sigmoid", [two], { segment: "a" });
    const loss = small.node("Neg", [three]);
    const gradient = small.node("Mul", [loss, two], { backward: true });
    const graph = small.graph({ loss, gradient });
    const again = recomputeActivations(graph);
    expect(nodesAsText(again.nodes).slice(-3)).toEqual([
      "7 = Exp'(1)",
      "8 = Neg'(7)",
      "6 = Mul'(5,8)",
    ]);
    expect(numbersOf(again)).toEqual(numbersOf(graph));
  });

  it("tells later passes which node computes a value", () => {
    const again = recomputeActivations(markedGraph());
    for (const node of again.nodes) {
      for (const id of node.outputs) {
        expect(again.values[id]?.origin).toEqual({ kind: "node", node });
      }
    }
  });

  it("drops forward nodes that only the backward pass read", () => {
    const small = new SmallGraph();
    const input = small.input("x");
    const saved = small.node("Tanh", [input], { segment: "a" });
    const out = small.node("Exp", [input], { segment: "a" });
    const loss = small.node("Neg", [out]);
    const gradient = small.node("Mul", [loss, saved], { backward: true });
    const again = recomputeActivations(small.graph({ loss, gradient }));
    expect(nodesAsText(again.nodes)).toEqual([
      "2 = Exp(0)",
      "3 = Neg(2)",
      "5 = Tanh'(0)",
      "4 = Mul'(3,5)",
    ]);
  });
});
