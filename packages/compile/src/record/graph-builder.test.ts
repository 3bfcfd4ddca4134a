import { describe, expect, it } from "vitest";
import { GraphBuilder } from "./graph-builder.js";

describe("GraphBuilder", () => {
  it("records the same operation on the same values once", () => {
    const builder = new GraphBuilder();
    const x = builder.input("x", { shape: [2] });
    const y = builder.node("Exp", [x], { shape: [2] });
    expect(builder.node("Exp", [x], { shape: [2] })).toBe(y);
    expect(builder.finish([{ name: "y", value: y.id }]).nodes).toHaveLength(1);
  });

  it("tells apart operations, inputs, their order, and attributes", () => {
    const builder = new GraphBuilder();
    const [x, z] = [builder.input("x", { shape: [2] }), builder.input("z", { shape: [2] })];
    const values = [
      builder.node("Sub", [x, z], { shape: [2] }),
      builder.node("Sub", [z, x], { shape: [2] }),
      builder.node("Add", [x, z], { shape: [2] }),
      builder.node("Add", [x, z], { shape: [2] }, { axis: 1 }),
      builder.node("Add", [x, z], { shape: [2] }, { axis: 2 }),
      builder.node("Add", [x, z], { shape: [1, 2] }),
    ];
    expect(new Set(values.map(({ id }) => id)).size).toBe(values.length);
  });

  it("keeps what outputs need, in the order of recording, and drops the rest", () => {
    const builder = new GraphBuilder();
    const x = builder.input("x", { shape: [2] });
    const a = builder.node("Exp", [x], { shape: [2] });
    builder.node("Log", [a], { shape: [2] });
    const b = builder.node("Neg", [a], { shape: [2] });
    const graph = builder.finish([{ name: "b", value: b.id }]);
    expect(graph.nodes.map(({ operation }) => operation)).toEqual(["Exp", "Neg"]);
    expect(graph.inputs.map(({ id }) => id)).toEqual([x.id]);
  });

  it("keeps a node of which one output alone is needed", () => {
    const builder = new GraphBuilder();
    const x = builder.input("x", { shape: [2] });
    const [, second] = builder.nodes("LayerNorm", [x], [{ shape: [2] }, { shape: [1] }]);
    const graph = builder.finish([{ name: "mean", value: second?.id ?? -1 }]);
    expect(graph.nodes.map(({ operation }) => operation)).toEqual(["LayerNorm"]);
    expect(builder.nodes("LayerNorm", [x], [{ shape: [2] }, { shape: [1] }])[1]).toBe(second);
  });

  it("knows a part of a weight by where it begins and how it is looked at", () => {
    const builder = new GraphBuilder();
    const whole = builder.weight("w", [4, 2]);
    expect(builder.weight("w", [4, 2])).toBe(whole);
    expect(builder.weight("w", [8])).not.toBe(whole);
    expect(builder.weight("w", [2, 2], 4)).not.toBe(builder.weight("w", [2, 2]));
    expect(builder.weight("w", [2, 2], 4).origin).toEqual({ kind: "weight", name: "w", begin: 4 });
  });

  it("keeps constants that are one number everywhere as that number", () => {
    const builder = new GraphBuilder();
    const same = builder.constant(Float32Array.of(0.1, 0.1), [2]);
    expect(same.origin).toEqual({ kind: "fill", value: Math.fround(0.1) });
    expect(builder.constant(Float32Array.of(1, 2), [2]).origin.kind).toBe("constant");
    const ids = builder.constant(Int32Array.of(7, 7), [2]);
    expect([ids.type, ids.origin]).toEqual(["int32", { kind: "fill", value: 7 }]);
  });

  it("knows a fill by number, shape and type", () => {
    const builder = new GraphBuilder();
    const two = builder.fill(2, [3]);
    expect(builder.fill(2, [3])).toBe(two);
    const others = [builder.fill(2, [1, 3]), builder.fill(2, [3], "int32"), builder.fill(-2, [3])];
    expect(others).not.toContain(two);
    expect(builder.fill(0, [])).not.toBe(builder.fill(-0, []));
  });

  it("rounds numbers to float32, as every other value is", () => {
    const builder = new GraphBuilder();
    expect(builder.fill(1 / 3, []).origin).toEqual({ kind: "fill", value: Math.fround(1 / 3) });
    expect(builder.fill(16777217, [], "int32").origin).toEqual({ kind: "fill", value: 16777217 });
  });
});
