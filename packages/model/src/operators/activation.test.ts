import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import {
  differenceOf,
  gradientError,
  leakOf,
  noiseOf,
  registeredGradients,
} from "../testing/tensors.js";
import { gelu, geluKernel, silu, siluKernel } from "./activation.js";

const x = tf.tensor1d([-2, -0.5, 0, 1, 3]);
const sigmoid = (n: number): number => 1 / (1 + Math.exp(-n));
const close = (y: tf.Tensor, expected: readonly number[]): void => {
  const numbers = y.dataSync();
  for (const [i, number] of expected.entries()) expect(numbers[i]).toBeCloseTo(number, 6);
};

describe("silu", () => {
  it("weighs a number by its sigmoid", () => {
    close(
      silu(x),
      [-2, -0.5, 0, 1, 3].map((n) => n * sigmoid(n)),
    );
  });

  it("is the quick-GELU of CLIP with a scale", () => {
    close(
      silu(x, 1.702),
      [-2, -0.5, 0, 1, 3].map((n) => n * sigmoid(1.702 * n)),
    );
  });

  it("has the gradient of its differences, and registers the same", () => {
    for (const scale of [1, 1.702]) {
      expect(gradientError((at) => silu(at, scale), x)).toBeLessThan(2e-3);
      const dy = noiseOf([5]);
      const saved = [x, silu(x, scale)];
      const attributes = { scale };
      const registered = registeredGradients(siluKernel, { dy, saved, attributes });
      const plain = tf.grad((at: tf.Tensor) => silu(at, scale))(x, dy);
      expect(differenceOf(registered["x"] ?? x, plain)).toBeLessThan(1e-6);
    }
  });

  it("leaves no tensor behind", () => {
    expect(leakOf(() => silu(x, 1.702))).toBe(0);
  });
});

describe("gelu", () => {
  it("weighs a number by the normal distribution function, not by its approximation", () => {
    // Phi(1) = 0.8413447461, Phi(-2) = 0.0227501319; tanh's approximation gives 0.84119 and 0.0227
    close(gelu(x), [-2 * 0.0227501319, -0.5 * 0.3085375387, 0, 0.8413447461, 3 * 0.998650102]);
  });

  it("has the gradient of its differences, and registers the same", () => {
    expect(gradientError(gelu, x)).toBeLessThan(2e-3);
    const dy = noiseOf([5]);
    const registered = registeredGradients(geluKernel, { dy, saved: [x] });
    expect(differenceOf(registered["x"] ?? x, tf.grad(gelu)(x, dy))).toBeLessThan(1e-6);
  });

  it("leaves no tensor behind", () => {
    expect(leakOf(() => gelu(x))).toBe(0);
  });
});
