import { parseVaeConfig, vaeTensors } from "@retake/model";
import { rootScope, vaeDecode, vaeEncode } from "@retake/model/network";
import { tensorsOfVector, vectorLayout } from "@retake/model/tuning";
import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { initialWeights } from "./initial-weights.js";
import { channelMoments, whiten, whitenLatents } from "./whitening.js";

const config = parseVaeConfig({
  ...{ in_channels: 3, out_channels: 3, latent_channels: 4, block_out_channels: [4, 8] },
  ...{ layers_per_block: 1, norm_num_groups: 2, scaling_factor: 0.18215 },
  down_block_types: ["DownEncoderBlock2D", "DownEncoderBlock2D"],
  up_block_types: ["UpDecoderBlock2D", "UpDecoderBlock2D"],
});
const layout = vectorLayout(vaeTensors(config));
const pixels = tf.randomUniform([3, 3, 8, 8], -1, 1, "float32", 5);

/** What a VAE of these weights makes of the pictures. */
function thereAndBack(weights: Float32Array) {
  const tensors = tensorsOfVector(layout, weights);
  const shapes = new Map(layout.entries.map(({ name, shape }) => [name, shape]));
  const scope = rootScope((name) => {
    const values = tensors.get(name);
    return values && tf.tensor(values, [...(shapes.get(name) ?? [])]);
  });
  const { mean, logvar } = vaeEncode(scope, pixels, config);
  const pictures = vaeDecode(scope, mean, config).dataSync();
  return {
    pictures,
    latents: {
      mean: Float32Array.from(mean.dataSync()),
      logVariance: Float32Array.from(logvar.dataSync()),
    },
  };
}

const sizes = { channels: 4, cells: 16 };

describe("whiten", () => {
  const weights = initialWeights(layout, 7n);
  const before = thereAndBack(weights);
  const moments = channelMoments(before.latents, sizes);
  const whitened = weights.slice();
  whiten({ layout, weights: whitened }, config, moments);
  const after = thereAndBack(whitened);

  it("gives every channel mean 0 and variance 1 behind the scaling factor", () => {
    for (const { mean, deviation } of channelMoments(after.latents, sizes)) {
      expect(mean * config.scalingFactor).toBeCloseTo(0, 4);
      expect(deviation * config.scalingFactor).toBeCloseTo(1, 4);
    }
  });

  it("leaves pictures that go there and back as they were", () => {
    const errors = before.pictures.map((value, i) => Math.abs(value - (after.pictures[i] ?? 0)));
    expect(Math.max(...errors)).toBeLessThan(1e-5);
  });

  it("does to latents that were encoded before what it does to the encoder", () => {
    const { mean, logVariance } = before.latents;
    const latents = { mean: mean.slice(), logVariance: logVariance.slice() };
    whitenLatents(latents, { config, cells: sizes.cells }, moments);
    latents.mean.forEach((value, i) => {
      expect(value).toBeCloseTo(after.latents.mean[i] ?? Number.NaN, 3);
    });
    latents.logVariance.forEach((value, i) => {
      expect(value).toBeCloseTo(after.latents.logVariance[i] ?? Number.NaN, 4);
    });
  });

  it("widens the posterior as it does the latents", () => {
    const ratio = (channel: number): number => {
      const at = channel * sizes.cells;
      const change = (after.latents.logVariance[at] ?? 0) - (before.latents.logVariance[at] ?? 0);
      return Math.exp(change / 2) * config.scalingFactor * (moments[channel]?.deviation ?? 0);
    };
    expect([0, 1, 2, 3].map(ratio).every((factor) => Math.abs(factor - 1) < 1e-4)).toBe(true);
  });
});
