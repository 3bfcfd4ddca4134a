import { ShapeError } from "@retake/errors";
import { describe, expect, it } from "vitest";
import { guidedPrediction } from "./guidance.js";

const without = Float32Array.of(1, 0, -1);
const prompted = Float32Array.of(2, 0, 1);

describe("guidedPrediction", () => {
  it("goes past the prompt's prediction, away from the other", () => {
    const guided = guidedPrediction({ without, with: prompted }, 3);
    expect(Array.from(guided)).toEqual([4, 0, 5]);
  });

  it("is the prompt's prediction at scale 1", () => {
    expect(guidedPrediction({ without, with: prompted }, 1)).toEqual(prompted);
  });

  it("refuses predictions of two sizes", () => {
    const short = new Float32Array(2);
    expect(() => guidedPrediction({ without, with: short }, 3)).toThrow(ShapeError);
  });
});
