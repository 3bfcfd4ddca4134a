import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import type { WeightSpec } from "../program.js";
import { smallVae } from "../testing/small-configs.js";
import { differenceOf, noiseOf, randomScope } from "../testing/tensors.js";
import { vaeDecoderTensors, vaeEncoderTensors, vaeTensors } from "./tensors.js";
import { vaeDecode, vaeEncode } from "./vae.js";

const scope = randomScope(vaeTensors(smallVae));
const encode = (pixels: tf.Tensor, from = scope): { mean: tf.Tensor; logvar: tf.Tensor } =>
  tf.tidy(() => vaeEncode(from, pixels, smallVae));
const decode = (latents: tf.Tensor): tf.Tensor =>
  tf.tidy(() => vaeDecode(scope, latents, smallVae));
const parameters = (tensors: readonly WeightSpec[]): number =>
  tensors.reduce((sum, { shape }) => sum + shape.reduce((n, size) => n * size, 1), 0);

describe("vaeTensors", () => {
  it("lists Stable Diffusion's: 248 tensors, 83,653,863 parameters", () => {
    const channels = { blockOutChannels: [128, 256, 512, 512], layersPerBlock: 2, normGroups: 32 };
    const tensors = vaeTensors({ ...smallVae, ...channels });
    expect([tensors.length, parameters(tensors)]).toEqual([248, 83_653_863]);
  });

  it("is the encoder's side and the decoder's, each tensor once", () => {
    const [encoder, decoder] = [vaeEncoderTensors(smallVae), vaeDecoderTensors(smallVae)];
    const names = vaeTensors(smallVae).map(({ name }) => name);
    expect(names).toEqual([...encoder, ...decoder].map(({ name }) => name));
    expect(new Set(names).size).toBe(names.length);
  });
});

describe("vaeEncode", () => {
  it("gives mean and logvar of every image, half as high and wide per level", () => {
    const { mean, logvar } = encode(noiseOf([2, 3, 6, 4]));
    expect([mean.shape, logvar.shape]).toEqual([
      [2, 4, 3, 2],
      [2, 4, 3, 2],
    ]);
    expect(differenceOf(mean, logvar)).toBeGreaterThan(1e-3);
  });

  it("treats images apart", () => {
    const pixels = noiseOf([2, 3, 4, 4]);
    const { mean } = encode(pixels);
    const alone = [0, 1].map((image) => encode(tf.slice(pixels, [image], [1])).mean);
    expect(differenceOf(mean, tf.concat(alone, 0))).toBeLessThan(1e-5);
  });

  it("pads below and to the right only where it halves", () => {
    // Kernels that read one cell: conv_in the middle, the halving one the upper left. So of each
    // four cells only the upper left counts, and no cell of the padding.
    const reading = (at: number, out: number, inner: number): tf.Tensor => {
      const cell = tf.reshape(tf.oneHot(tf.tensor1d([at], "int32"), 9), [1, 1, 3, 3]);
      return tf.mul(cell, noiseOf([out, inner, 1, 1], at));
    };
    const single = randomScope(vaeTensors(smallVae), {
      "encoder.conv_in.weight": reading(4, 4, 3),
      "encoder.down_blocks.0.resnets.0.conv2.weight": tf.zeros([4, 4, 3, 3]),
      "encoder.down_blocks.0.downsamplers.0.conv.weight": reading(0, 4, 4),
    });
    const pixels = noiseOf([1, 3, 4, 4]);
    const counts = tf.tensor4d(
      Array.from({ length: 16 }, (_, i) => (i % 2 === 0 && i % 8 < 4 ? 1 : 0)),
      [1, 1, 4, 4],
    );
    const { mean } = encode(pixels, single);
    expect(differenceOf(encode(tf.mul(pixels, counts), single).mean, mean)).toBe(0);
    expect(differenceOf(encode(tf.mul(pixels, 2), single).mean, mean)).toBeGreaterThan(1e-3);
  });

  it("takes the posterior's mean from the first half of the channels", () => {
    const zeros = { "quant_conv.weight": tf.zeros([8, 8, 1, 1]) };
    const bias = { "quant_conv.bias": tf.range(0, 8) };
    const { mean, logvar } = encode(
      noiseOf([1, 3, 2, 2]),
      randomScope(vaeTensors(smallVae), { ...zeros, ...bias }),
    );
    expect([...mean.dataSync()]).toEqual([0, 1, 2, 3]);
    expect([...logvar.dataSync()]).toEqual([4, 5, 6, 7]);
  });

  it("refuses other channels", () => {
    expect(() => encode(noiseOf([1, 4, 4, 4]))).toThrow("x: expected [1, 3, 4, 4]");
  });
});

describe("vaeDecode", () => {
  it("gives images twice as high and wide per level", () => {
    expect(decode(noiseOf([2, 4, 3, 2])).shape).toEqual([2, 3, 6, 4]);
  });

  it("treats images apart", () => {
    const latents = noiseOf([2, 4, 2, 3]);
    const alone = [0, 1].map((image) => decode(tf.slice(latents, [image], [1])));
    expect(differenceOf(decode(latents), tf.concat(alone, 0))).toBeLessThan(1e-5);
  });

  it("mirrors what it gives where its input is mirrored, except for its weights", () => {
    const flipped = new Map(vaeTensors(smallVae).map(({ name }) => [name, scope.find(name)]));
    const mirrored = randomScope(
      vaeTensors(smallVae),
      Object.fromEntries(
        [...flipped].map(([name, x]) => {
          if (x === undefined) throw new Error(name);
          return [name, x.rank === 4 ? tf.reverse(x, 3) : x];
        }),
      ),
    );
    const latents = noiseOf([1, 4, 2, 3]);
    const there = tf.reverse(vaeDecode(mirrored, tf.reverse(latents, 3), smallVae), 3);
    expect(differenceOf(there, decode(latents))).toBeLessThan(1e-5);
  });

  it("refuses other channels", () => {
    expect(() => decode(noiseOf([1, 3, 2, 2]))).toThrow("x: expected [1, 4, 2, 2]");
  });
});
