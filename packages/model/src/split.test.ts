import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { splitInto } from "./split.js";

const x = tf.tensor2d([
  [1, 2, 3],
  [4, 5, 6],
]);

describe("splitInto", () => {
  it("cuts along an axis into parts of the given sizes", () => {
    const [left, right] = splitInto(x, [1, 2], 1);
    expect(left?.arraySync()).toEqual([[1], [4]]);
    expect(right?.arraySync()).toEqual([
      [2, 3],
      [5, 6],
    ]);
  });

  it("gives the tensor itself as its only part, so that it has a gradient", () => {
    expect(splitInto(x, [2], 0)).toEqual([x]);
    const first = (at: tf.Tensor): tf.Tensor => splitInto(at, [2], 0)[0] ?? at;
    expect(
      tf
        .grad((at) => tf.sum(first(at)))(x)
        .arraySync(),
    ).toEqual([
      [1, 1, 1],
      [1, 1, 1],
    ]);
  });

  it("refuses sizes that do not add up", () => {
    expect(() => splitInto(x, [1, 3], 1)).toThrow();
  });
});
