import { RetakeError } from "@retake/errors";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseVaeConfig } from "./parse-config.js";

const stableDiffusion = {
  act_fn: "silu",
  block_out_channels: [128, 256, 512, 512],
  down_block_types: new Array<string>(4).fill("DownEncoderBlock2D"),
  in_channels: 3,
  latent_channels: 4,
  layers_per_block: 2,
  norm_num_groups: 32,
  out_channels: 3,
  sample_size: 512,
  up_block_types: new Array<string>(4).fill("UpDecoderBlock2D"),
};

describe("parseVaeConfig", () => {
  it("reads Stable Diffusion 1.x's config, with the latent scale that it leaves out", () => {
    expect(parseVaeConfig(stableDiffusion)).toEqual({
      inChannels: 3,
      outChannels: 3,
      latentChannels: 4,
      blockOutChannels: [128, 256, 512, 512],
      layersPerBlock: 2,
      normGroups: 32,
      scalingFactor: 0.18215,
    });
  });

  it("reads another number of levels and another latent scale", () => {
    const config = parseVaeConfig({
      block_out_channels: [32, 64, 64],
      norm_num_groups: 16,
      scaling_factor: 1.5,
    });
    expect([config.blockOutChannels.length, config.scalingFactor]).toEqual([3, 1.5]);
  });

  it.each([
    [{ down_block_types: ["DownEncoderBlock2D"] }, "down_block_types"],
    [{ up_block_types: new Array<string>(4).fill("AttnUpDecoderBlock2D") }, "up_block_types"],
    [{ norm_num_groups: 3 }, "norm_num_groups"],
    [{ scaling_factor: 0 }, "scaling_factor"],
    [{ shift_factor: 0.1 }, "shift_factor"],
    [{ use_quant_conv: false }, "use_quant_conv"],
    [{ mid_block_add_attention: false }, "mid_block_add_attention"],
    [{ latents_mean: [0, 0, 0, 0] }, "latents_mean"],
    [{ latent_channels: Number.NaN }, "latent_channels"],
    [{ block_out_channels: [] }, "block_out_channels"],
  ])("refuses %j and names the field", (changes, field) => {
    const parse = () => parseVaeConfig({ ...stableDiffusion, ...changes });
    expect(parse).toThrow(`vae/config.json: ${field}`);
  });

  it("either reads a config or throws a RetakeError, whatever one field holds", () => {
    const field = fc.constantFrom(...Object.keys(stableDiffusion), "scaling_factor");
    fc.assert(
      fc.property(field, fc.jsonValue(), (name, value) => {
        try {
          parseVaeConfig({ ...stableDiffusion, [name]: value });
        } catch (error) {
          expect(error).toBeInstanceOf(RetakeError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
