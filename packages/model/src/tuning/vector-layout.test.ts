import { ShapeError } from "@retake/errors";
import { describe, expect, it } from "vitest";
import { packedVector, tensorsOfVector, vectorLayout } from "./vector-layout.js";

const layout = vectorLayout([
  { name: "b", shape: [3] },
  { name: "a.10", shape: [2, 2] },
  { name: "a.9", shape: [1] },
]);
const tensors = new Map([
  ["a.9", Float32Array.of(9)],
  ["a.10", Float32Array.of(1, 2, 3, 4)],
  ["b", Float32Array.of(5, 6, 7)],
]);

describe("vectorLayout", () => {
  it("puts tensors one after the other by name, whatever order they come in", () => {
    const places = layout.entries.map(({ name, begin, end }) => [name, begin, end]);
    expect(places).toEqual([
      ["a.10", 0, 4],
      ["a.9", 4, 5],
      ["b", 5, 8],
    ]);
    expect(layout.length).toBe(8);
  });
});

describe("packedVector", () => {
  it("writes every tensor at its place", () => {
    const vector = packedVector(layout, (name) => tensors.get(name));
    expect(Array.from(vector)).toEqual([1, 2, 3, 4, 9, 5, 6, 7]);
  });

  it("refuses a missing tensor and one of another size", () => {
    expect(() => packedVector(layout, () => undefined)).toThrow(/a.10: expected 4 values/);
    expect(() => packedVector(layout, () => new Float32Array(5))).toThrow(ShapeError);
  });
});

describe("tensorsOfVector", () => {
  it("gives each tensor back, as a view", () => {
    const vector = packedVector(layout, (name) => tensors.get(name));
    const views = tensorsOfVector(layout, vector);
    for (const [name, values] of tensors) expect(views.get(name)).toEqual(values);
    views.get("b")?.fill(0);
    expect(Array.from(vector.slice(5))).toEqual([0, 0, 0]);
  });

  it("refuses a vector of another length", () => {
    expect(() => tensorsOfVector(layout, new Float32Array(9))).toThrow(ShapeError);
  });
});
