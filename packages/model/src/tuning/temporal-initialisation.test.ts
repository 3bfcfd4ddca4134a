import { describe, expect, it } from "vitest";
import { temporalInitialisation } from "./temporal-initialisation.js";

const block = "mid_block.attentions.0.transformer_blocks.0";
const tensors = [
  { name: `${block}.attn1.to_q.weight`, shape: [16, 16] },
  { name: `${block}.attn_temp.to_q.weight`, shape: [16, 16] },
  { name: `${block}.attn_temp.to_v.weight`, shape: [16, 16] },
  { name: `${block}.attn_temp.to_out.0.weight`, shape: [16, 16] },
  { name: `${block}.attn_temp.to_out.0.bias`, shape: [16] },
  { name: `${block}.norm_temp.weight`, shape: [16] },
  { name: `${block}.norm_temp.bias`, shape: [16] },
];
const initialised = (start: "no-op" | "authors", seed = 33) => {
  const found = temporalInitialisation(tensors, { seed, start });
  return (name: string): number[] => Array.from(found.get(`${block}.${name}`) ?? []);
};
const isAll = (values: readonly number[], expected: number): boolean =>
  values.length > 0 && values.every((value) => value === expected);

describe("temporalInitialisation", () => {
  it("draws query, key and value within one over the root of the channels", () => {
    const query = initialised("no-op")("attn_temp.to_q.weight");
    expect(Math.max(...query.map(Math.abs))).toBeLessThan(0.25);
    expect(Math.max(...query)).toBeGreaterThan(0.22);
    expect(Math.min(...query)).toBeLessThan(-0.22);
    expect(initialised("no-op")("attn_temp.to_v.weight")).not.toEqual(query);
  });

  it("starts as an exact no-op: output weight and bias zero, norm of gain one", () => {
    const noOp = initialised("no-op");
    expect(isAll(noOp("attn_temp.to_out.0.weight"), 0)).toBe(true);
    expect(isAll(noOp("attn_temp.to_out.0.bias"), 0)).toBe(true);
    expect(isAll(noOp("norm_temp.weight"), 1)).toBe(true);
    expect(isAll(noOp("norm_temp.bias"), 0)).toBe(true);
  });

  it("differs in the output bias alone when it starts as the authors' code does", () => {
    const authors = initialised("authors");
    const bias = authors("attn_temp.to_out.0.bias");
    expect(bias.every((value) => value !== 0 && Math.abs(value) < 0.25)).toBe(true);
    for (const { name } of tensors.filter((tensor) => !tensor.name.endsWith(".0.bias"))) {
      const short = name.slice(block.length + 1);
      expect(authors(short)).toEqual(initialised("no-op")(short));
    }
  });

  it("passes over tensors that a 2D checkpoint has", () => {
    expect(initialised("authors")("attn1.to_q.weight")).toEqual([]);
  });

  it("depends on seed and name, not on order or company", () => {
    const name = "attn_temp.to_q.weight";
    const alone = temporalInitialisation([tensors[1] ?? { name, shape: [] }], {
      seed: 33,
      start: "no-op",
    });
    expect(Array.from(alone.values(), (values) => Array.from(values))).toEqual([
      initialised("no-op")(name),
    ]);
    expect(initialised("no-op", 34)(name)).not.toEqual(initialised("no-op", 33)(name));
  });
});
