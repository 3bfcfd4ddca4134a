import { ShapeError } from "@retake/errors";
import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { assertShape, axesOf } from "./axes.js";

describe("axesOf", () => {
  it("names the sizes of the axes, in order", () => {
    expect(axesOf("x", tf.zeros([2, 3]), ["tokens", "channels"])).toEqual({
      tokens: 2,
      channels: 3,
    });
  });

  it("refuses another rank and empty axes, and says what it expected", () => {
    const names = ["tokens", "channels"] as const;
    expect(() => axesOf("query", tf.zeros([2]), names)).toThrow(
      new ShapeError("query: expected [tokens, channels], got [2]"),
    );
    expect(() => axesOf("query", tf.zeros([2, 3, 4]), names)).toThrow(ShapeError);
    expect(() => axesOf("query", tf.zeros([2, 0]), names)).toThrow("got [2, 0]");
  });
});

describe("assertShape", () => {
  it("accepts exactly the shape, and nothing longer, shorter or other", () => {
    expect(() => assertShape("gain", tf.zeros([2, 3]), [2, 3])).not.toThrow();
    for (const shape of [[2], [2, 3, 1], [3, 2], [6]]) {
      expect(() => assertShape("gain", tf.zeros(shape), [2, 3])).toThrow(
        new ShapeError(`gain: expected [2, 3], got [${shape}]`),
      );
    }
  });
});
