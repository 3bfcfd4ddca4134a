import { describe, expect, it } from "vitest";
import { parseUNetConfig } from "../unet/parse-config.js";
import { unetTensors } from "../unet/tensors.js";
import { isTrainable, trainableTensors } from "./trainable.js";

const block = "down_blocks.0.attentions.0.transformer_blocks.0";

describe("isTrainable", () => {
  it.each([
    ["attn1.to_q.weight", true],
    ["attn2.to_q.weight", true],
    ["attn_temp.to_q.weight", true],
    ["attn_temp.to_k.weight", true],
    ["attn_temp.to_out.0.bias", true],
    ["attn1.to_k.weight", false],
    ["attn2.to_v.weight", false],
    ["attn1.to_out.0.weight", false],
    ["norm_temp.weight", false],
    ["ff.net.2.weight", false],
  ])("says of %s: %s", (name, expected) => {
    expect(isTrainable(`${block}.${name}`, "paper")).toBe(expected);
  });

  it("leaves the down path out in reference mode", () => {
    expect(isTrainable(`${block}.attn1.to_q.weight`, "reference")).toBe(false);
    expect(isTrainable("mid_block.attentions.0.attn1.to_q.weight", "reference")).toBe(true);
    expect(isTrainable("up_blocks.1.attentions.0.attn1.to_q.weight", "reference")).toBe(true);
  });
});

describe("trainableTensors", () => {
  const tensors = unetTensors(parseUNetConfig({ cross_attention_dim: 768 }));
  const count = (mode: "paper" | "reference") => {
    const found = trainableTensors(tensors, mode);
    const sizes = found.map(({ shape }) => shape.reduce((product, size) => product * size, 1));
    return [found.length, sizes.reduce((sum, size) => sum + size, 0)];
  };

  it("finds the paper's 112 tensors of Stable Diffusion 1.x", () => {
    expect(count("paper")).toEqual([112, 74_354_880]);
  });

  it("finds the 70 that the authors' default run really trains", () => {
    expect(count("reference")).toEqual([70, 48_545_600]);
  });
});
