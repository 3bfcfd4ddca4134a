import { describe, expect, it } from "vitest";
import { aligned } from "./aligned.js";

describe("aligned", () => {
  it("makes columns as wide as their widest cell, and leaves no spaces at the end", () => {
    expect(aligned([["a", "bb", ""], ["ccc", "d", "e"], ["f"]])).toEqual([
      ...["a    bb", "ccc  d   e", "f"],
    ]);
    expect(aligned([])).toEqual([]);
  });
});
