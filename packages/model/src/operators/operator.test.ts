import * as tf from "@tensorflow/tfjs";
import { afterEach, describe, expect, it } from "vitest";
import { leakOf } from "../testing/tensors.js";
import { runOperator, runUnaryOperator } from "./operator.js";

const kernelName = "RetakeTestDouble";
const x = tf.tensor1d([1, 2]);

describe("runOperator", () => {
  afterEach(() => {
    if (tf.getKernel(kernelName, "cpu") !== undefined) tf.unregisterKernel(kernelName, "cpu");
  });

  it("runs the plain composition where the backend has no such kernel, and tidies after it", () => {
    const plain = (): tf.Tensor => tf.add(tf.mul(x, 3), 1);
    expect([...runUnaryOperator(kernelName, { x }, {}, plain).dataSync()]).toEqual([4, 7]);
    expect(leakOf(() => runOperator(kernelName, { x }, {}, plain))).toBe(0);
  });

  it("runs the kernel where the backend has one, with the attributes", () => {
    tf.registerKernel({
      kernelName,
      backendName: "cpu",
      kernelFunc: ({ attrs }) => tf.fill([2], Number(attrs?.["number"])),
    });
    const y = runUnaryOperator(kernelName, { x }, { number: 5 }, () => x);
    expect([...y.dataSync()]).toEqual([5, 5]);
  });

  it("refuses several outputs where one is expected", () => {
    const several = (() => [x, x]) as unknown as () => tf.Tensor;
    expect(() => runUnaryOperator(kernelName, { x }, {}, several)).toThrow("expected one output");
  });
});
