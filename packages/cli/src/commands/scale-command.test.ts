import { describe, expect, it } from "vitest";
import { scalePage } from "./scale-command.js";

const leaving = [
  { nodeId: "gpu-node-2", reason: "ordinal 2, and 1 is the first", handedOver: true },
  { nodeId: "gpu-node-1", reason: "ordinal 1, and 1 is the first", handedOver: false },
];
const answer = { pool: "stateful-set", countBefore: 3, count: 1, reason: "r", leaving };

describe("scalePage", () => {
  it("says of those that leave how far they are", () => {
    expect(scalePage(answer, { waited: false }).split("\n")).toEqual([
      "stateful-set pool: 3 -> 1; r",
      "gpu-node-2  has handed over: ordinal 2, and 1 is the first",
      "gpu-node-1  hands over: ordinal 1, and 1 is the first",
    ]);
  });

  it("says who was late, once it has waited", () => {
    const [, , late] = scalePage(answer, { waited: true }).split("\n");
    expect(late).toBe("gpu-node-1  had not handed over in time: ordinal 1, and 1 is the first");
  });
});
