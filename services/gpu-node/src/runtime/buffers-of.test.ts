import { describe, expect, it } from "vitest";
import { buffersOf } from "./buffers-of.js";

describe("buffersOf", () => {
  it("finds arrays by name, in tensors and in lists, each buffer once", () => {
    const [a, b, c] = [new Float32Array(4), new Int32Array(2), new Float32Array(1)];
    const value = { x: { shape: [2], data: a.subarray(2) }, y: a, sums: [{ sum: b }], z: c };
    expect(buffersOf(value)).toEqual([a.buffer, b.buffer, c.buffer]);
  });

  it("leaves what cannot change hands, and what has no array", () => {
    const shared = new Float32Array(new SharedArrayBuffer(8));
    expect(buffersOf({ shared, n: 1, text: "x", none: null })).toEqual([]);
    expect(buffersOf(undefined)).toEqual([]);
  });
});
