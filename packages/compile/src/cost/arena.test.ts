import { describe, expect, it } from "vitest";
import { Arena } from "./arena.js";

const unit = 256;

describe("Arena", () => {
  it("rounds sizes up to its unit, and puts one value behind the other", () => {
    const arena = new Arena();
    expect(arena.allocate(1)).toEqual({ region: 0, begin: 0, end: unit });
    expect(arena.allocate(unit + 1)).toEqual({ region: 0, begin: unit, end: 3 * unit });
    expect(arena.touchedBytes).toBe(3 * unit);
  });

  it("takes the smallest free chunk that is large enough", () => {
    const arena = new Arena();
    const [large, , small] = [4, 1, 2, 1].map((units) => arena.allocate(units * unit));
    if (large === undefined || small === undefined) throw new Error("expected chunks");
    arena.free(large);
    arena.free(small);
    expect(arena.allocate(2 * unit)).toEqual(small);
    expect(arena.allocate(2 * unit)).toEqual({ ...large, end: 2 * unit });
    expect(arena.touchedBytes).toBe(8 * unit);
  });

  it("gives a chunk whole where less than half of it would be left", () => {
    const arena = new Arena();
    const chunk = arena.allocate(5 * unit);
    arena.allocate(unit);
    arena.free(chunk);
    expect(arena.allocate(3 * unit)).toEqual(chunk);
  });

  it("makes one chunk of free neighbours, in any order", () => {
    for (const order of [
      [0, 1, 2],
      [0, 2, 1],
      [2, 1, 0],
    ]) {
      const arena = new Arena();
      const chunks = [1, 1, 1, 1].map((units) => arena.allocate(units * unit));
      for (const at of order) {
        const chunk = chunks[at];
        if (chunk !== undefined) arena.free(chunk);
      }
      expect(arena.allocate(3 * unit)).toEqual({ region: 0, begin: 0, end: 3 * unit });
    }
  });

  it("opens regions that grow by doubling, and counts only what was written to", () => {
    const arena = new Arena();
    const megabyte = 2 ** 20;
    expect(arena.allocate(megabyte).end).toBe(megabyte);
    expect(arena.allocate(megabyte)).toEqual({ region: 1, begin: 0, end: megabyte });
    expect(arena.allocate(3 * megabyte)).toEqual({ region: 2, begin: 0, end: 4 * megabyte });
    expect(arena.touchedBytes).toBe(5 * megabyte);
  });
});
