import { describe, expect, it } from "vitest";
import { memoryOfNode } from "./node-memory.js";

describe("memoryOfNode", () => {
  it("gives each node an equal part of the machine, in whole megabytes", () => {
    expect(memoryOfNode({ machineBytes: 16e9, nodeCount: 1 })).toBe("16");
    expect(memoryOfNode({ machineBytes: 16e9, nodeCount: 3 })).toBe("5.333");
    expect(memoryOfNode({ machineBytes: 1, nodeCount: 64 })).toBe("0.001");
  });

  it("never promises more than there is, and always what a node reads", () => {
    for (const machineBytes of [2 ** 30, 25_300_000_001, 2 ** 40, 3e15]) {
      for (let nodeCount = 1; nodeCount <= 64; nodeCount += 1) {
        const text = memoryOfNode({ machineBytes, nodeCount });
        expect(text).toMatch(/^\d{1,7}(\.\d{1,9})?$/);
        expect(Number(text) * 1e9 * nodeCount).toBeLessThanOrEqual(machineBytes * (1 + 1e-12));
      }
    }
  });
});
