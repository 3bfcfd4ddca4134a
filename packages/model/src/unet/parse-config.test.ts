import { RetakeError } from "@retake/errors";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseUNetConfig } from "./parse-config.js";

const stableDiffusion = {
  _class_name: "UNet2DConditionModel",
  _diffusers_version: "0.2.2",
  act_fn: "silu",
  attention_head_dim: 8,
  block_out_channels: [320, 640, 1280, 1280],
  center_input_sample: false,
  cross_attention_dim: 768,
  down_block_types: [
    "CrossAttnDownBlock2D",
    "CrossAttnDownBlock2D",
    "CrossAttnDownBlock2D",
    "DownBlock2D",
  ],
  downsample_padding: 1,
  flip_sin_to_cos: true,
  freq_shift: 0,
  in_channels: 4,
  layers_per_block: 2,
  mid_block_scale_factor: 1,
  norm_eps: 1e-5,
  norm_num_groups: 32,
  out_channels: 4,
  sample_size: 64,
  up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
};

describe("parseUNetConfig", () => {
  it("reads Stable Diffusion 1.x's config", () => {
    expect(parseUNetConfig(stableDiffusion)).toEqual({
      inChannels: 4,
      outChannels: 4,
      blockOutChannels: [320, 640, 1280, 1280],
      downAttention: [true, true, true, false],
      upAttention: [false, true, true, true],
      layersPerBlock: 2,
      heads: [8, 8, 8, 8],
      crossAttentionDim: 768,
      normGroups: 32,
      normEps: 1e-5,
      flipSinToCos: true,
      freqShift: 0,
      downsamplePadding: 1,
    });
  });

  it("fills in the library's defaults, so that a short config is the same network", () => {
    const short = { attention_head_dim: 8, cross_attention_dim: 768 };
    expect(parseUNetConfig(short)).toEqual(parseUNetConfig(stableDiffusion));
  });

  it("reads the fields and names that later versions and the authors' code add", () => {
    const later = {
      ...stableDiffusion,
      mid_block_type: "UNetMidBlock2DCrossAttn",
      num_attention_heads: null,
      only_cross_attention: [false, false, false, false],
      transformer_layers_per_block: 1,
      upcast_attention: false,
      up_block_types: stableDiffusion.up_block_types.map((name) => name.replace("2D", "3D")),
    };
    expect(parseUNetConfig(later)).toEqual(parseUNetConfig(stableDiffusion));
  });

  it("reads heads per level, and levels of any number", () => {
    const config = parseUNetConfig({
      attention_head_dim: [2, 4],
      block_out_channels: [32, 64],
      cross_attention_dim: 24,
      down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D"],
      up_block_types: ["CrossAttnUpBlock2D", "UpBlock2D"],
    });
    expect(config.heads).toEqual([2, 4]);
    expect([config.downAttention, config.upAttention]).toEqual([
      [false, true],
      [true, false],
    ]);
  });

  it.each([
    [{ use_linear_projection: true }, "use_linear_projection"],
    [{ class_embed_type: "timestep" }, "class_embed_type"],
    [{ dual_cross_attention: true }, "dual_cross_attention"],
    [{ only_cross_attention: [true, false, false, false] }, "only_cross_attention"],
    [{ mid_block_type: "UNetMidBlock2DSimpleCrossAttn" }, "mid_block_type"],
    [{ down_block_types: ["DownBlock2D"] }, "down_block_types"],
    [{ up_block_types: ["AttnUpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D"] }, "up_block"],
    [{ block_out_channels: [320, 640, 1280, 1288] }, "norm_num_groups"],
    [{ block_out_channels: [1e9, 640, 1280, 1280] }, "block_out_channels"],
    [{ attention_head_dim: 7 }, "attention_head_dim"],
    [{ attention_head_dim: [8, 8] }, "attention_head_dim"],
    [{ layers_per_block: 2.5 }, "layers_per_block"],
    [{ layers_per_block: [2, 2, 2, 2] }, "layers_per_block"],
    [{ norm_eps: 0 }, "norm_eps"],
    [{ cross_attention_dim: "768" }, "cross_attention_dim"],
  ])("refuses %j and names the field", (changes, field) => {
    const parse = () => parseUNetConfig({ ...stableDiffusion, ...changes });
    expect(parse).toThrow(RetakeError);
    expect(parse).toThrow(`unet/config.json: ${field}`);
  });

  it("either reads a config or throws a RetakeError, whatever one field holds", () => {
    const field = fc.constantFrom(...Object.keys(stableDiffusion), "num_attention_heads");
    fc.assert(
      fc.property(field, fc.jsonValue(), (name, value) => {
        try {
          expect(parseUNetConfig({ ...stableDiffusion, [name]: value }).normGroups).toBeTypeOf(
            "number",
          );
        } catch (error) {
          expect(error).toBeInstanceOf(RetakeError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
