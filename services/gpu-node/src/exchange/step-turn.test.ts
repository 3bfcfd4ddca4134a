import { describe, expect, it } from "vitest";
import { compareTurns, type StepTurn } from "./step-turn.js";

const turn = (quorumId: number, step: number, attempts: number): StepTurn => ({
  ...{ quorumId, step, attempts },
});

describe("compareTurns", () => {
  it("orders by quorum, then step, then try", () => {
    const ordered: StepTurn[] = [];
    for (let quorumId = 1; quorumId < 4; quorumId += 1) {
      for (let step = 0; step < 3; step += 1) {
        for (let attempts = 0; attempts < 3; attempts += 1) {
          ordered.push(turn(quorumId, step, attempts));
        }
      }
    }
    ordered.forEach((a, i) => {
      ordered.forEach((b, j) => {
        expect(Math.sign(compareTurns(a, b))).toBe(Math.sign(i - j));
      });
    });
  });
});
