import {
  assertFieldDivides,
  type ConfigSource,
  choiceField,
  choicesField,
  configSource,
  integerField,
  integersField,
  numberField,
  refuseField,
} from "../config-fields.js";
import type { VaeConfig } from "./config.js";

/** What SD 1.x's own config leaves out, since its library had the number in the code. */
const scalingFactorOfSd1 = 0.18215;

/**
 * Reads `vae/config.json` of an AutoencoderKL.
 *
 * @throws RetakeError  `config-unsupported`, naming the field, what was expected and what came
 */
export function parseVaeConfig(json: unknown): VaeConfig {
  const source = configSource("vae/config.json", json);
  const blockOutChannels = integersField(source, "block_out_channels", {
    each: { min: 1, max: 8192 },
    length: { min: 1, max: 8 },
    fallback: [64],
  });
  refuseOtherKinds(source, blockOutChannels.length);
  const normGroups = integerField(source, "norm_num_groups", { min: 1, max: 1024, fallback: 32 });
  for (const channels of blockOutChannels) {
    const of = { divisor: normGroups, of: channels, what: "channels of a block" };
    assertFieldDivides(source, "norm_num_groups", of);
  }
  const channels = (key: string, fallback: number): number =>
    integerField(source, key, { min: 1, max: 256, fallback });
  return {
    blockOutChannels,
    normGroups,
    inChannels: channels("in_channels", 3),
    outChannels: channels("out_channels", 3),
    latentChannels: channels("latent_channels", 4),
    layersPerBlock: integerField(source, "layers_per_block", { min: 1, max: 16, fallback: 1 }),
    scalingFactor: numberField(source, "scaling_factor", {
      min: 1e-6,
      max: 1e6,
      fallback: scalingFactorOfSd1,
    }),
  };
}

/** Refuses what later AutoencoderKLs can be told and ours cannot. */
function refuseOtherKinds(source: ConfigSource, levels: number): void {
  choicesField(source, "down_block_types", {
    choices: ["DownEncoderBlock2D"],
    length: levels,
    fallback: new Array<"DownEncoderBlock2D">(levels).fill("DownEncoderBlock2D"),
  });
  choicesField(source, "up_block_types", {
    choices: ["UpDecoderBlock2D"],
    length: levels,
    fallback: new Array<"UpDecoderBlock2D">(levels).fill("UpDecoderBlock2D"),
  });
  choiceField(source, "act_fn", { choices: ["silu", "swish"], fallback: "silu" });
  refuseField(source, "shift_factor", [0]);
  refuseField(source, "latents_mean");
  refuseField(source, "latents_std");
  for (const key of ["mid_block_add_attention", "use_quant_conv", "use_post_quant_conv"]) {
    refuseField(source, key, [true]);
  }
}
