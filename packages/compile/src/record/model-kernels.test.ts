import { groupNormKernel } from "@retake/model";
import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { evaluateGraph } from "../testing/evaluate-graph.js";
import { smallProgram, wavesFor } from "../testing/small-program.js";
import { traceProgram } from "./trace.js";

describe("registerModelKernels", () => {
  it.each([
    { clips: 1, frames: 1, eps: 1e-5 },
    { clips: 1, frames: 3, eps: 0.5 },
    { clips: 2, frames: 1, eps: 0.5 },
    { clips: 2, frames: 3, eps: 0 },
  ])("records what a group norm means, $clips x $frames, eps $eps", ({ clips, frames, eps }) => {
    const [groups, channels] = [2, 4];
    const images = clips * frames;
    const program = smallProgram(
      { inputs: { x: [images, channels, 3, 2] }, weights: { gain: [channels], bias: [channels] } },
      ({ input, weight }) => {
        const inputs = { x: input("x"), gain: weight("gain"), bias: weight("bias") };
        const attributes = { groups, frames, eps, isSmall: true };
        const outputs = tf.engine().runKernel<tf.Tensor[]>(groupNormKernel, inputs, attributes);
        return Object.fromEntries(outputs.map((output, i) => [`${i}`, output]));
      },
    );
    const given = wavesFor(program);
    const recorded = evaluateGraph(traceProgram(program), given);
    const of = (name: string, shape: number[]): tf.Tensor => tf.tensor(given[name] ?? [], shape);
    const grouped = of("x", [clips, frames, groups, 12]);
    const { mean, variance } = tf.moments(grouped, [1, 3], true);
    const inverseStd = tf.rsqrt(tf.add(variance, eps));
    const standard = tf.reshape(tf.mul(tf.sub(grouped, mean), inverseStd), [images, channels, 6]);
    const perChannel = [1, channels, 1];
    const y = tf.add(tf.mul(standard, of("gain", perChannel)), of("bias", perChannel));
    for (const [i, expected] of [y, mean, inverseStd].entries()) {
      const got = recorded[`${i}`] ?? [];
      expect(got).toHaveLength(expected.size);
      for (const [at, number] of expected.dataSync().entries()) {
        expect(got[at]).toBeCloseTo(number, 5);
      }
    }
  });
});
