import { describe, expect, it } from "vitest";
import { nodesAsText, SmallGraph } from "../testing/small-graph.js";
import { cutSegments, exchangedBytes, type Segment } from "./cut-segments.js";

const attributes = { rank: 0, frameCounts: [2, 1] };

/** x in two frames; what is gathered, and what crosses besides. */
function gatheringGraph() {
  const small = new SmallGraph();
  const x = small.input("x", [2, 3]);
  const kept = small.node("Exp", [x]);
  const view = small.node("Reshape", [kept], { shape: [6], attributes: { shape: [6] } });
  const sent = small.node("Tanh", [kept]);
  const all = small.node("GatherFrames", [sent], { attributes, shape: [3, 3] });
  const sum = small.node("ReduceSum", [all], { shape: [1] });
  const y = small.node("Mul", [view, sum], { shape: [6] });
  const again = small.node("GatherFrames", [y], { attributes, shape: [9] });
  const z = small.node("Neg", [again]);
  return small.graph({ z });
}

const borders = ({ graph, freed }: Segment) => ({
  nodes: nodesAsText(graph.nodes),
  takes: graph.inputs.map(({ origin }) => (origin.kind === "input" ? origin.name : "")),
  gives: graph.outputs.map(({ name }) => name),
  freed,
});

describe("cutSegments", () => {
  it("gives every node to the segment it was recorded in, and views to their readers", () => {
    const { segments, results } = cutSegments(gatheringGraph());
    expect(segments.map(borders)).toEqual([
      {
        nodes: ["1 = Exp(0)", "3 = Tanh(1)"],
        takes: ["x"],
        gives: ["value/1", "value/3"],
        freed: ["value/3"],
      },
      {
        nodes: ["5 = ReduceSum(4)", "2 = Reshape(1)", "6 = Mul(2,5)"],
        takes: ["value/4", "value/1"],
        gives: ["value/6"],
        freed: ["value/4", "value/1", "value/6"],
      },
      { nodes: ["8 = Neg(7)"], takes: ["value/7"], gives: ["value/8"], freed: ["value/7"] },
    ]);
    expect(results).toEqual([{ name: "z", value: "value/8" }]);
  });

  it("says what goes where in between", () => {
    const graph = gatheringGraph();
    const [first, , last] = cutSegments(graph).segments;
    const whole = { count: 1, stride: 0, offset: 0 };
    expect(first?.exchange).toEqual({
      sends: [[], [{ ...whole, name: "value/3", length: 6 }]],
      receives: [[], [{ ...whole, name: "value/4", offset: 6, length: 3 }]],
      copies: [
        {
          from: { ...whole, name: "value/3", length: 6 },
          to: { ...whole, name: "value/4", length: 6 },
        },
      ],
      outputs: [{ name: "value/4", elements: 9 }],
    });
    expect(last?.exchange).toBeUndefined();
    expect(exchangedBytes(cutSegments(graph))).toBe(4 * 2 * (6 + 3));
  });

  it("keeps a collective whose outputs nobody here reads: others wait for what it sends", () => {
    const small = new SmallGraph();
    const x = small.input("x", [2, 3, 1]);
    const key = small.node("Exp", [x]);
    const shapes = Array.from({ length: 4 }, () => [1, 3, 1]);
    small.node("FrameHalo", [key, key], { attributes, shapes });
    const y = small.node("Neg", [key]);
    const { segments } = cutSegments(small.graph({ y }));
    expect(segments).toHaveLength(2);
    const [first] = segments;
    expect(first?.exchange?.sends[1]).toHaveLength(4);
    expect(first?.exchange?.outputs).toEqual([]);
  });

  it("leaves a graph without collectives in one piece", () => {
    const small = new SmallGraph();
    const y = small.node("Exp", [small.input("x")]);
    const { segments } = cutSegments(small.graph({ y }));
    expect(segments.map(({ exchange }) => exchange)).toEqual([undefined]);
  });
});
