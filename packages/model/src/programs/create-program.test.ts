import { ShapeError } from "@retake/errors";
import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import type { Program } from "../program.js";
import type { ModuleSpec, ProgramSpec, UNetGradientsSpec } from "../program-spec.js";
import { smallText, smallUNet, smallVae } from "../testing/small-configs.js";
import { differenceOf, noiseOf } from "../testing/tensors.js";
import { unetTensors } from "../unet/tensors.js";
import { createProgram } from "./create-program.js";
import { timestepRows } from "./unet-program.js";
import { vaeFactor } from "./vae-program.js";

const shape = { batch: 2, frames: 2, height: 3, width: 4, promptTokens: 3 };
const trainable = unetTensors(smallUNet)
  .map(({ name }) => name)
  .filter((name) => /\.(attn1|attn2)\.to_q\.|\.attn_temp\./.test(name));
const gradients: UNetGradientsSpec = {
  ...{ kind: "unet-gradients", config: smallUNet, memory: "fast" },
  ...{ shape, trainable },
};
const attention: ModuleSpec = {
  ...{ kind: "module", config: smallUNet, moduleKind: "cross-attention", frames: 1 },
  path: "down_blocks.0.attentions.0.transformer_blocks.0.attn2",
  ...{ x: [2, 3, 4], text: [2, 5, 6], gradients: ["to_q.weight"], out: [2, 3, 4] },
};

const specs: Readonly<Record<string, ProgramSpec>> = {
  text: { kind: "text", config: smallText, batch: 2 },
  "vae-encode": { kind: "vae-encode", config: smallVae, frames: 2, height: 4, width: 6 },
  "vae-decode": { kind: "vae-decode", config: smallVae, frames: 2, height: 2, width: 3 },
  unet: { kind: "unet", config: smallUNet, shape },
  "unet-gradients": gradients,
};

/** Calls a program on noise; what it reads must be what it declares. */
function called(program: Program): Record<string, tf.Tensor> {
  const read = (of: readonly { name: string; shape: readonly number[]; dtype?: string }[]) => {
    const specOf = new Map(of.map((spec) => [spec.name, spec]));
    return (name: string): tf.Tensor => {
      const spec = specOf.get(name);
      if (spec === undefined) throw new Error(`${name} is not declared`);
      if (spec.dtype === "int32") return tf.zeros([...spec.shape], "int32");
      return tf.mul(noiseOf(spec.shape, name.length), 0.3);
    };
  };
  const call = { input: read(program.inputs), weight: read(program.weights) };
  return { ...program.call(call) };
}

describe("createProgram", () => {
  it.each(Object.entries(specs))("makes a %s program that gives what it declares", (_, spec) => {
    const program = createProgram(spec);
    const given = Object.entries(called(program)).map(([name, tensor]) => ({
      name,
      shape: tensor.shape,
      dtype: tensor.dtype,
    }));
    expect(given).toEqual(program.outputs);
    const names = [...program.inputs, ...program.weights].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  it("reads tuned tensors as inputs, and all others as weights", () => {
    const { inputs, weights } = createProgram({ kind: "unet", config: smallUNet, shape });
    const names = new Set(inputs.map(({ name }) => name));
    expect(trainable.every((name) => names.has(name))).toBe(true);
    const tensors = unetTensors(smallUNet).length;
    expect(inputs.length + weights.length).toBe(tensors + 3);
    expect(weights.some(({ name }) => name.includes("_temp."))).toBe(false);
  });

  it("gives the loss's derivative with respect to each trained tensor", () => {
    const program = createProgram(gradients);
    const results = called(program);
    const [name = ""] = trainable;
    const step = 1 / 16;
    const moved = (by: number): number => {
      const nudged: Program = {
        ...program,
        call: (bindings) =>
          program.call({
            ...bindings,
            input: (key) => {
              const tensor = bindings.input(key);
              if (key !== name) return tensor;
              const first = tf.oneHot(tf.tensor1d([0], "int32"), tensor.size);
              return tf.add(tensor, tf.reshape(tf.mul(first, by), tensor.shape));
            },
          }),
      };
      return called(nudged)["loss"]?.dataSync()[0] ?? Number.NaN;
    };
    const slope = (moved(step) - moved(-step)) / (2 * step);
    const [first = Number.NaN] = results[`grad/${name}`]?.dataSync() ?? [];
    expect(Math.abs(slope - first)).toBeLessThan(1e-4 + 0.05 * Math.abs(first));
  });

  it("has as loss the mean square of the error", () => {
    const results = called(createProgram(gradients));
    const forward = called(createProgram({ kind: "unet", config: smallUNet, shape }));
    const predicted = forward["predictedNoise"];
    if (predicted === undefined) throw new Error("expected noise");
    const target = tf.mul(noiseOf(predicted.shape, "target".length), 0.3);
    const error = tf.mean(tf.square(tf.sub(predicted, target))).dataSync()[0];
    expect(results["loss"]?.dataSync()[0]).toBeCloseTo(error ?? Number.NaN, 5);
  });

  it("hands out the modules that are asked for", () => {
    const captures = ["mid_block", "conv_in"];
    const results = called(createProgram({ kind: "unet", config: smallUNet, shape, captures }));
    expect(Object.keys(results).sort()).toEqual([
      ...["act/conv_in", "act/mid_block", "predictedNoise"],
    ]);
  });

  it("refuses to train what is no input", () => {
    for (const name of ["conv_in.weight", "latents2"]) {
      expect(() => createProgram({ ...gradients, trainable: [name] })).toThrow(
        new ShapeError(`trainable: ${name} cannot be tuned`),
      );
    }
  });

  it("makes a module's program, with gradients along what comes from behind", () => {
    const program = createProgram(attention);
    expect(program.inputs.map(({ name }) => name)).toEqual([
      ...["x", "text", "cotangent", `${attention.path}.to_q.weight`],
    ]);
    const results = called(program);
    expect(Object.keys(results)).toEqual(["out", "grad.x", "grad.to_q.weight"]);
    const { gradients: _, ...plain } = attention;
    const [out, alone] = [results["out"], called(createProgram(plain))["out"]];
    if (out === undefined || alone === undefined) throw new Error("expected out");
    expect(differenceOf(out, alone)).toBe(0);
  });

  it("says which input a module lacks", () => {
    const { text: _, ...withoutText } = attention;
    expect(() => called(createProgram(withoutText))).toThrow("module: expected an input text");
  });
});

describe("timestepRows", () => {
  it("is the batch, and two at least", () => {
    expect([1, 2, 3].map(timestepRows)).toEqual([2, 2, 3]);
  });
});

describe("vaeFactor", () => {
  it("is a doubling per level after the first", () => {
    expect(vaeFactor({ ...smallVae, blockOutChannels: [1] })).toBe(1);
    expect(vaeFactor({ ...smallVae, blockOutChannels: [1, 2, 4, 4] })).toBe(8);
  });
});
