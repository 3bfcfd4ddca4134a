import { describe, expect, it } from "vitest";
import type { WeightSpec } from "../program.js";
import { smallUNet, stableDiffusionUNet } from "../testing/small-configs.js";
import {
  isInputTensor,
  isTemporal,
  unetCheckpointTensors,
  unetInputTensors,
  unetTensors,
} from "./tensors.js";

const parameters = (tensors: readonly WeightSpec[]): number =>
  tensors.reduce((sum, { shape }) => sum + shape.reduce((n, size) => n * size, 1), 0);

describe("unetTensors", () => {
  it("lists Stable Diffusion 1.4's, with the temporal layers: 909,120,004 parameters", () => {
    const tensors = unetTensors(stableDiffusionUNet);
    expect(tensors).toHaveLength(798);
    expect(parameters(tensors)).toBe(909_120_004);
  });

  it("names each tensor once", () => {
    for (const config of [smallUNet, stableDiffusionUNet]) {
      const names = unetTensors(config).map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
    }
  });

  it("gives a resnet a shortcut only where channels change", () => {
    const names = unetTensors(smallUNet).map(({ name }) => name);
    expect(names).not.toContain("down_blocks.0.resnets.0.conv_shortcut.weight");
    expect(names).toContain("down_blocks.1.resnets.0.conv_shortcut.weight");
    expect(names).toContain("up_blocks.0.resnets.0.conv_shortcut.weight");
  });

  it("gives the up path the skips' channels beside its own", () => {
    const shapes = new Map(unetTensors(smallUNet).map(({ name, shape }) => [name, shape]));
    expect(shapes.get("up_blocks.0.resnets.0.conv1.weight")).toEqual([8, 16, 3, 3]);
    expect(shapes.get("up_blocks.0.resnets.1.conv1.weight")).toEqual([8, 12, 3, 3]);
    expect(shapes.get("up_blocks.1.resnets.0.conv1.weight")).toEqual([4, 12, 3, 3]);
    expect(shapes.get("up_blocks.1.resnets.1.conv1.weight")).toEqual([4, 8, 3, 3]);
  });
});

describe("unetCheckpointTensors", () => {
  it("are those of the 2D network: 686 in Stable Diffusion 1.4", () => {
    const tensors = unetCheckpointTensors(stableDiffusionUNet);
    expect(tensors).toHaveLength(686);
    expect(parameters(tensors)).toBe(859_520_964);
    expect(tensors.some(({ name }) => isTemporal(name))).toBe(false);
  });
});

describe("unetInputTensors", () => {
  it("are what can be tuned, 112 tensors of SD 1.4, and the temporal norms", () => {
    const names = unetInputTensors(stableDiffusionUNet).map(({ name }) => name);
    const norms = names.filter((name) => name.includes("norm_temp"));
    expect([names.length - norms.length, norms.length]).toEqual([112, 32]);
  });

  it("hold queries and whole temporal layers, but no other projection", () => {
    const block = "mid_block.attentions.0.transformer_blocks.0";
    for (const name of ["attn1.to_q", "attn2.to_q", "attn_temp.to_k", "norm_temp"]) {
      expect(isInputTensor(`${block}.${name}.weight`)).toBe(true);
    }
    for (const name of ["attn1.to_k", "attn2.to_v", "attn1.to_out.0", "norm1", "ff.net.2"]) {
      expect(isInputTensor(`${block}.${name}.weight`)).toBe(false);
    }
  });
});
