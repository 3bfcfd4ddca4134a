import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { attention } from "../operators/attention.js";
import { childScope, type Scope, weightOf } from "../scope.js";
import { smallUNet } from "../testing/small-configs.js";
import { differenceOf, gradientError, noiseOf, randomScope } from "../testing/tensors.js";
import { unetTensors } from "./tensors.js";
import {
  feedForward,
  promptAttention,
  spatialAttention,
  temporalAttention,
  transformer3d,
  transformerBlock,
} from "./transformer.js";

const path = "down_blocks.0.attentions.0";
const block = `${path}.transformer_blocks.0`;
const specs = unetTensors(smallUNet).filter(({ name }) => name.startsWith(path));
const root = randomScope(specs);
const scopeOf = (name: string, from: Scope = root): Scope => childScope(from, name);
const heads = 2;

/** x W^T + b, with the weights of a layer. */
function applied(scope: Scope, name: string, x: tf.Tensor): tf.Tensor {
  const weight = weightOf(scope, `${name}.weight`);
  const rows = tf.matMul(tf.reshape(x, [-1, weight.shape[1] ?? 1]), weight, false, true);
  const bias = scope.find(`${name}.bias`);
  const shape = [...x.shape.slice(0, -1), weight.shape[0] ?? 1];
  return tf.reshape(bias === undefined ? rows : tf.add(rows, bias), shape);
}

describe("promptAttention", () => {
  const scope = scopeOf(`${block}.attn2`);

  it.each([3, 4])("lets each image's %i tokens look at those of its clip's prompt", (count) => {
    const [tokens, prompt] = [noiseOf([6, count, 4]), noiseOf([2, 5, 6], 2)];
    const y = promptAttention(scope, { tokens, prompt }, heads);
    const images = Array.from({ length: 6 }, (_, image) => {
      const own = tf.slice(prompt, [Math.floor(image / 3)], [1]);
      const context = { key: applied(scope, "to_k", own), value: applied(scope, "to_v", own) };
      const query = applied(scope, "to_q", tf.slice(tokens, [image], [1]));
      return applied(scope, "to_out.0", attention(query, context, heads));
    });
    expect(differenceOf(y, tf.concat(images, 0))).toBeLessThan(1e-6);
  });

  it("refuses prompts that do not divide images", () => {
    const streams = { tokens: noiseOf([3, 3, 4]), prompt: noiseOf([2, 5, 6]) };
    expect(() => promptAttention(scope, streams, heads)).toThrow(
      "prompt: expected a divisor of 3 images, got 2",
    );
  });
});

describe("temporalAttention", () => {
  it("lets a site look at itself in all frames, in both directions, and at no other site", () => {
    const scope = scopeOf(`${block}.attn_temp`);
    const sites = noiseOf([2, 3, 4]);
    const y = temporalAttention(scope, sites, heads);
    const context = { key: applied(scope, "to_k", sites), value: applied(scope, "to_v", sites) };
    const mixed = attention(applied(scope, "to_q", sites), context, heads);
    expect(differenceOf(y, applied(scope, "to_out.0", mixed))).toBeLessThan(1e-6);
    const backwards = temporalAttention(scope, tf.reverse(sites, 1), heads);
    expect(differenceOf(tf.reverse(backwards, 1), y)).toBeLessThan(1e-6);
  });
});

describe("spatialAttention", () => {
  it("lets a frame see itself, the one before it and the first only", () => {
    const scope = scopeOf(`${block}.attn1`);
    const x = noiseOf([5, 2, 4]);
    const options = { heads, frames: 5, groups: 2 };
    const y = spatialAttention(scope, x, options);
    const seen = Array.from({ length: 5 }, (_, changed) => {
      const mask = tf.reshape(tf.oneHot(tf.tensor1d([changed], "int32"), 5), [5, 1, 1]);
      const other = spatialAttention(scope, tf.add(x, mask), options);
      const perFrame = tf.max(tf.abs(tf.sub(other, y)), [1, 2]).dataSync();
      return [...perFrame].map((difference) => (difference > 1e-6 ? "x" : "."));
    });
    // Row: the frame that was changed; column: the frames that saw it.
    expect(seen.map((row) => row.join(""))).toEqual(["xxxxx", ".xx..", "..xx.", "...xx", "....x"]);
  });
});

describe("feedForward", () => {
  const scope = scopeOf(`${block}.ff`);

  it("multiplies the first half of the inner layer by the gelu of the second", () => {
    const x = noiseOf([2, 3, 4]);
    const [value, gate] = tf.split(applied(scope, "net.0.proj", x), 2, -1);
    if (value === undefined || gate === undefined) throw new Error("two halves");
    const phi = tf.mul(tf.add(tf.erf(tf.div(gate, Math.SQRT2)), 1), 0.5);
    const expected = applied(scope, "net.2", tf.mul(value, tf.mul(gate, phi)));
    expect(differenceOf(feedForward(scope, x), expected)).toBeLessThan(1e-6);
  });

  it("has the gradient of its differences", () => {
    expect(gradientError((x) => feedForward(scope, x), noiseOf([1, 2, 4]))).toBeLessThan(1e-2);
  });
});

describe("transformerBlock", () => {
  const scope = scopeOf(block);
  const call = (tokens: tf.Tensor, prompt: tf.Tensor, frames: number, from = scope): tf.Tensor =>
    transformerBlock(from, { tokens, prompt }, { heads, frames, groups: 2 });

  it("is the 2D network's block where the scope has no temporal layers", () => {
    const still = Object.fromEntries(
      specs.flatMap(({ name, shape }) =>
        /attn_temp\.to_out\.0/.test(name) ? [[name, tf.zeros([...shape])]] : [],
      ),
    );
    const inflated = scopeOf(block, randomScope(specs, still));
    const flat = {
      ...inflated,
      find: (name: string) => (name.includes("_temp") ? undefined : inflated.find(name)),
    };
    const [tokens, prompt] = [noiseOf([6, 2, 4]), noiseOf([2, 5, 6])];
    const expected = call(tokens, prompt, 3, inflated);
    expect(differenceOf(call(tokens, prompt, 3, flat), expected)).toBe(0);
  });

  it("gives sites: a clip's tokens, each with its frames", () => {
    const zeros = Object.fromEntries(
      specs.flatMap(({ name, shape }) =>
        /to_out\.0|ff\.net\.2/.test(name) ? [[name, tf.zeros([...shape])]] : [],
      ),
    );
    const silent = scopeOf(block, randomScope(specs, zeros));
    const tokens = noiseOf([6, 2, 4]);
    const sites = call(tokens, noiseOf([2, 5, 6]), 3, silent);
    const expected = tf.transpose(tf.reshape(tokens, [2, 3, 2, 4]), [0, 2, 1, 3]);
    expect(differenceOf(sites, tf.reshape(expected, [4, 3, 4]))).toBe(0);
  });

  it("treats clips apart: two give what each gives by itself", () => {
    const [tokens, prompt] = [noiseOf([6, 2, 4]), noiseOf([2, 5, 6], 2)];
    const both = call(tokens, prompt, 3);
    const apart = [0, 1].map((clip) =>
      call(tf.slice(tokens, [3 * clip], [3]), tf.slice(prompt, [clip], [1]), 3),
    );
    expect(differenceOf(both, tf.concat(apart, 0))).toBeLessThan(1e-5);
  });

  it("has the gradient of its differences", () => {
    const prompt = noiseOf([1, 2, 6], 2);
    expect(gradientError((x) => call(x, prompt, 2), noiseOf([2, 2, 4]))).toBeLessThan(5e-2);
  });
});

describe("transformer3d", () => {
  const scope = scopeOf(path);
  const call = (x: tf.Tensor, prompt: tf.Tensor, frames: number, from = scope): tf.Tensor =>
    transformer3d(from, { x, prompt }, { heads, frames, groups: 2 });

  it("adds what it computes to its input", () => {
    const zeros = {
      [`${path}.proj_out.weight`]: tf.zeros([4, 4, 1, 1]),
      [`${path}.proj_out.bias`]: tf.zeros([4]),
    };
    const x = noiseOf([2, 4, 3, 2]);
    const silent = scopeOf(path, randomScope(specs, zeros));
    expect(differenceOf(call(x, noiseOf([1, 5, 6]), 2, silent), x)).toBe(0);
  });

  it("puts every token back to its own cell, in maps that are not square", () => {
    // Without any attention a cell depends on itself and on its image's norm only.
    const zeros = Object.fromEntries(
      specs.flatMap(({ name, shape }) =>
        /to_out\.0/.test(name) ? [[name, tf.zeros([...shape])]] : [],
      ),
    );
    const apart = scopeOf(path, randomScope(specs, zeros));
    const prompt = noiseOf([1, 5, 6]);
    const x = noiseOf([2, 4, 3, 2]);
    const turned = call(tf.transpose(x, [0, 1, 3, 2]), prompt, 2, apart);
    const expected = tf.transpose(call(x, prompt, 2, apart), [0, 1, 3, 2]);
    expect(differenceOf(turned, expected)).toBeLessThan(1e-5);
    const swapped = call(tf.reverse(x, 0), prompt, 2, apart);
    expect(differenceOf(swapped, tf.reverse(call(x, prompt, 2, apart), 0))).toBeLessThan(1e-5);
  });

  it("norms every frame by itself", () => {
    const zeros = Object.fromEntries(
      specs.flatMap(({ name, shape }) =>
        /to_out\.0/.test(name) ? [[name, tf.zeros([...shape])]] : [],
      ),
    );
    const apart = scopeOf(path, randomScope(specs, zeros));
    const [frame, other] = [noiseOf([1, 4, 3, 2]), noiseOf([1, 4, 3, 2], 7)];
    const prompt = noiseOf([1, 5, 6]);
    const alone = call(frame, prompt, 1, apart);
    const beside = call(tf.concat([frame, other], 0), prompt, 2, apart);
    expect(differenceOf(tf.slice(beside, [0], [1]), alone)).toBeLessThan(1e-5);
  });

  it("treats clips apart", () => {
    const [x, prompt] = [noiseOf([4, 4, 3, 2]), noiseOf([2, 5, 6], 2)];
    const apart = [0, 1].map((clip) =>
      call(tf.slice(x, [2 * clip], [2]), tf.slice(prompt, [clip], [1]), 2),
    );
    expect(differenceOf(call(x, prompt, 2), tf.concat(apart, 0))).toBeLessThan(1e-5);
  });

  it("refuses what is no feature map", () => {
    expect(() => call(noiseOf([2, 4, 6]), noiseOf([1, 5, 6]), 2)).toThrow("x: expected [images");
  });
});
