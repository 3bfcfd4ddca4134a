import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { smallUNet } from "../testing/small-configs.js";
import { differenceOf, noiseOf, randomScope } from "../testing/tensors.js";
import { unetTensors } from "./tensors.js";
import { timeEmbedding, unet } from "./unet.js";

const specs = unetTensors(smallUNet);
const scope = randomScope(specs);

function call(latents: tf.Tensor, prompt: tf.Tensor, sinusoid: tf.Tensor): tf.Tensor {
  return tf.tidy(() => unet(scope, smallUNet, { latents, prompt, timestepSinusoid: sinusoid }));
}

/** One item of a batch. */
const itemOf = (x: tf.Tensor, item: number): tf.Tensor => tf.slice(x, [item], [1]);

describe("unet", () => {
  it("gives noise in the shape of the latents, whatever their size", () => {
    for (const shape of [
      [1, 4, 2, 4, 4],
      [1, 4, 1, 5, 7],
      [2, 4, 3, 1, 3],
      [1, 4, 2, 6, 1],
    ]) {
      const y = call(noiseOf(shape), noiseOf([shape[0] ?? 1, 3, 6], 2), noiseOf([2, 4], 3));
      expect(y.shape).toEqual(shape);
      expect(tf.all(tf.isFinite(y)).dataSync()[0]).toBe(1);
    }
  });

  it("treats items of a batch apart", () => {
    const [latents, prompt] = [noiseOf([2, 4, 2, 5, 3]), noiseOf([2, 3, 6], 2)];
    const sinusoid = noiseOf([2, 4], 3);
    const both = call(latents, prompt, sinusoid);
    for (const item of [0, 1]) {
      const rows = tf.tile(itemOf(sinusoid, item), [2, 1]);
      const alone = call(itemOf(latents, item), itemOf(prompt, item), rows);
      expect(differenceOf(itemOf(both, item), alone)).toBeLessThan(2e-5);
    }
  });

  it("gives a still clip, frame by frame, what one frame of it gives", () => {
    const [frame, prompt] = [noiseOf([1, 4, 1, 5, 4]), noiseOf([1, 3, 6], 2)];
    const sinusoid = noiseOf([2, 4], 3);
    const still = call(tf.tile(frame, [1, 1, 4, 1, 1]), prompt, sinusoid);
    const one = tf.tile(call(frame, prompt, sinusoid), [1, 1, 4, 1, 1]);
    expect(differenceOf(still, one)).toBeLessThan(2e-5);
  });

  it("does not read surplus rows of the timestep's sinusoid", () => {
    const [latents, prompt] = [noiseOf([1, 4, 2, 4, 4]), noiseOf([1, 3, 6], 2)];
    const sinusoid = noiseOf([1, 4], 3);
    const other = [4, 5].map((seed) => tf.concat([sinusoid, noiseOf([1, 4], seed)], 0));
    const [a, b] = other.map((rows) => call(latents, prompt, rows));
    if (a === undefined || b === undefined) throw new Error("two");
    expect(differenceOf(a, b)).toBe(0);
  });

  it("depends on latents, prompt and timestep", () => {
    const given = [noiseOf([1, 4, 2, 4, 4]), noiseOf([1, 3, 6], 2), noiseOf([2, 4], 3)] as const;
    const [latents, prompt, sinusoid] = given;
    const y = call(...given);
    for (const changed of [
      call(tf.add(latents, noiseOf(latents.shape, 9)), prompt, sinusoid),
      call(latents, tf.add(prompt, noiseOf(prompt.shape, 9)), sinusoid),
      call(latents, prompt, tf.add(sinusoid, noiseOf(sinusoid.shape, 9))),
    ]) {
      expect(differenceOf(changed, y)).toBeGreaterThan(1e-3);
    }
  });

  it("hands out what its modules give, under their paths and in the authors' axes", () => {
    const shapes = new Map<string, number[]>();
    const capturing = randomScope(specs, {}, (path, output) => shapes.set(path, output().shape));
    const latents = noiseOf([1, 4, 2, 5, 3]);
    const prompt = noiseOf([1, 3, 6], 2);
    unet(capturing, smallUNet, { latents, prompt, timestepSinusoid: noiseOf([2, 4], 3) });
    const expected: Record<string, number[]> = {
      time_embedding: [1, 16],
      conv_in: [1, 4, 2, 5, 3],
      "down_blocks.0": [1, 4, 2, 3, 2],
      "down_blocks.0.resnets.0": [1, 4, 2, 5, 3],
      "down_blocks.0.attentions.0": [1, 4, 2, 5, 3],
      "down_blocks.0.attentions.0.transformer_blocks.0.attn1": [2, 15, 4],
      "down_blocks.0.attentions.0.transformer_blocks.0.attn_temp": [15, 2, 4],
      "down_blocks.1": [1, 8, 2, 3, 2],
      mid_block: [1, 8, 2, 3, 2],
      "up_blocks.0": [1, 8, 2, 5, 3],
      "up_blocks.0.upsamplers.0": [1, 8, 2, 5, 3],
      "up_blocks.1": [1, 4, 2, 5, 3],
    };
    for (const [path, shape] of Object.entries(expected)) {
      expect(shapes.get(path), path).toEqual(shape);
    }
  });

  it("puts a skip behind the maps that come from below", () => {
    // A resnet that passes its first 8 of 12 channels on, and adds nothing to them.
    const path = "up_blocks.0.resnets.1";
    const passing = {
      [`${path}.conv_shortcut.weight`]: tf.reshape(tf.eye(8, 12), [8, 12, 1, 1]),
      [`${path}.conv_shortcut.bias`]: tf.zeros([8]),
      [`${path}.conv2.weight`]: tf.zeros([8, 8, 3, 3]),
      [`${path}.conv2.bias`]: tf.zeros([8]),
    };
    const captured = new Map<string, tf.Tensor>();
    const keep = (at: string, output: () => tf.Tensor): unknown => captured.set(at, output());
    const latents = noiseOf([1, 4, 2, 4, 4]);
    const prompt = noiseOf([1, 3, 6], 2);
    const given = { latents, prompt, timestepSinusoid: noiseOf([2, 4], 3) };
    unet(randomScope(specs, passing, keep), smallUNet, given);
    const [below, passed] = ["up_blocks.0.resnets.0", path].map((at) => captured.get(at));
    if (below === undefined || passed === undefined) throw new Error("expected both");
    expect(differenceOf(passed, below)).toBe(0);
  });

  it("leaves its result alone behind, inside a tidy", () => {
    const given = [noiseOf([1, 4, 2, 4, 4]), noiseOf([1, 3, 6], 2), noiseOf([2, 4], 3)] as const;
    const before = tf.memory().numTensors;
    const y = call(...given);
    expect(tf.memory().numTensors).toBe(before + 1);
    y.dispose();
  });

  it("refuses latents that are no video, or have other channels", () => {
    const rest = [noiseOf([1, 3, 6]), noiseOf([2, 4])] as const;
    expect(() => call(noiseOf([1, 4, 4, 4]), ...rest)).toThrow("video: expected [batch, channels");
    expect(() => call(noiseOf([1, 3, 2, 4, 4]), ...rest)).toThrow("x: expected [2, 4, 4, 4]");
  });
});

describe("timeEmbedding", () => {
  it("is two layers with silu between", () => {
    const sinusoid = noiseOf([2, 4]);
    const layer = (name: string, x: tf.Tensor): tf.Tensor => {
      const [weight, bias] = [scope.find(`${name}.weight`), scope.find(`${name}.bias`)];
      if (weight === undefined || bias === undefined) throw new Error(name);
      return tf.add(tf.matMul(x, weight, false, true), bias);
    };
    const inner = layer("time_embedding.linear_1", sinusoid);
    const expected = layer("time_embedding.linear_2", tf.mul(inner, tf.sigmoid(inner)));
    expect(differenceOf(timeEmbedding(scope, sinusoid), expected)).toBeLessThan(1e-6);
  });
});
