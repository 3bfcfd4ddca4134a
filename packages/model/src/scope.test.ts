import { ShapeError } from "@retake/errors";
import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import {
  captureOutput,
  childScope,
  currentRecomputeMark,
  currentScopePath,
  inBackwardPass,
  recomputeMark,
  rootScope,
  weightOf,
  withBackwardPass,
  within,
} from "./scope.js";

const weight = tf.tensor1d([1]);
const root = rootScope((name) => (name === "mid_block.norm.weight" ? weight : undefined));

describe("within", () => {
  it("names what runs inside by the path, and gives back the path outside", () => {
    const paths = within(root, "mid_block", (block) => {
      const inner = within(block, "norm", () => currentScopePath());
      return [inner, currentScopePath()];
    });
    expect(paths).toEqual(["mid_block.norm", "mid_block"]);
    expect(currentScopePath()).toBe("");
  });

  it("gives back the path outside after an error, too", () => {
    const failing = (): never => {
      throw new Error("no");
    };
    expect(() => within(root, "mid_block", failing)).toThrow("no");
    expect(currentScopePath()).toBe("");
  });
});

describe("weightOf", () => {
  it("finds a weight below the scope's path", () => {
    const norm = childScope(childScope(root, "mid_block"), "norm");
    expect(norm.path).toBe("mid_block.norm");
    expect(weightOf(norm, "weight")).toBe(weight);
    expect(norm.find("bias")).toBeUndefined();
  });

  it("says where a weight is missing", () => {
    const norm = childScope(root, "norm");
    expect(() => weightOf(norm, "weight")).toThrow(
      new ShapeError("norm: there is no weight weight"),
    );
  });
});

describe("recomputeMark", () => {
  it("marks what runs inside; of nested marks the outermost counts", () => {
    const marks = recomputeMark("outer", () => [
      currentRecomputeMark(),
      recomputeMark("inner", () => currentRecomputeMark()),
      currentRecomputeMark(),
    ]);
    expect(marks).toEqual(["outer", "outer", "outer"]);
    expect(currentRecomputeMark()).toBe("");
  });

  it("ends with an error, too", () => {
    const failing = (): never => {
      throw new Error("no");
    };
    expect(() => recomputeMark("outer", failing)).toThrow("no");
    expect(currentRecomputeMark()).toBe("");
  });
});

describe("withBackwardPass", () => {
  it("is in the backward pass from the loss to the end, also where it ends with an error", () => {
    const seen = withBackwardPass((lossIsThere) => {
      const before = inBackwardPass();
      lossIsThere();
      return [before, inBackwardPass()];
    });
    expect([...seen, inBackwardPass()]).toEqual([false, true, false]);
    expect(() =>
      withBackwardPass((lossIsThere) => {
        lossIsThere();
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(inBackwardPass()).toBe(false);
  });
});

describe("captureOutput", () => {
  it("hands over a module's output under its path, and computes nothing if nobody asks", () => {
    const captured: [string, tf.Tensor][] = [];
    const asking = rootScope(
      () => undefined,
      (path, output) => captured.push([path, output()]),
    );
    captureOutput(childScope(asking, "mid_block"), () => weight);
    expect(captured).toEqual([["mid_block", weight]]);
    captureOutput(root, () => {
      throw new Error("nobody asked");
    });
  });
});
