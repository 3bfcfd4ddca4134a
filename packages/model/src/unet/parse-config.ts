import {
  assertFieldDivides,
  booleanField,
  type ConfigSource,
  choicesField,
  configSource,
  integerField,
  integersField,
  numberField,
  refuseField,
} from "../config-fields.js";
import type { UNetConfig } from "./config.js";

const attentionDown = ["CrossAttnDownBlock2D", "CrossAttnDownBlock3D"] as const;
const plainDown = ["DownBlock2D", "DownBlock3D"] as const;
const attentionUp = ["CrossAttnUpBlock2D", "CrossAttnUpBlock3D"] as const;
const plainUp = ["UpBlock2D", "UpBlock3D"] as const;

/** Options of diffusers' U-Nets that we do not have, each with the values that change nothing. */
const neutralValues: Readonly<Record<string, readonly (string | number | boolean)[]>> = {
  act_fn: ["silu", "swish"],
  addition_embed_type: [false],
  attention_type: ["default"],
  center_input_sample: [false],
  class_embed_type: [false],
  class_embeddings_concat: [false],
  conv_in_kernel: [3],
  conv_out_kernel: [3],
  cross_attention_norm: [false],
  dropout: [0],
  dual_cross_attention: [false],
  encoder_hid_dim: [false],
  encoder_hid_dim_type: [false],
  mid_block_only_cross_attention: [false],
  mid_block_scale_factor: [1],
  mid_block_type: ["UNetMidBlock2DCrossAttn", "UNetMidBlock3DCrossAttn"],
  num_attention_heads: [false],
  num_class_embeds: [false],
  only_cross_attention: [false],
  resnet_out_scale_factor: [1],
  resnet_skip_time_act: [false],
  resnet_time_scale_shift: ["default"],
  reverse_transformer_layers_per_block: [false],
  time_cond_proj_dim: [false],
  time_embedding_act_fn: [false],
  time_embedding_dim: [false],
  time_embedding_type: ["positional"],
  timestep_post_act: [false],
  transformer_layers_per_block: [1],
  use_linear_projection: [false],
};

/**
 * Reads `unet/config.json`, of a 2D checkpoint or as the authors' code saves it. Absent fields take
 * the values of the library's class `UNet2DConditionModel`.
 *
 * Stable Diffusion 2's linear projections (`use_linear_projection`) are refused.
 *
 * @throws RetakeError  `config-unsupported`, naming the field, what was expected and what came
 */
export function parseUNetConfig(json: unknown): UNetConfig {
  const source = configSource("unet/config.json", json);
  for (const [key, neutral] of Object.entries(neutralValues)) refuseField(source, key, neutral);
  const blockOutChannels = integersField(source, "block_out_channels", {
    each: { min: 4, max: 16384 },
    length: { min: 1, max: 8 },
    fallback: [320, 640, 1280, 1280],
  });
  const channels = (key: string): number =>
    integerField(source, key, { min: 1, max: 256, fallback: 4 });
  return {
    blockOutChannels,
    ...attentionPlaces(source, blockOutChannels.length),
    heads: headCounts(source, blockOutChannels),
    normGroups: groupCount(source, blockOutChannels),
    inChannels: channels("in_channels"),
    outChannels: channels("out_channels"),
    layersPerBlock: integerField(source, "layers_per_block", { min: 1, max: 16, fallback: 2 }),
    crossAttentionDim: integerField(source, "cross_attention_dim", {
      min: 1,
      max: 16384,
      fallback: 1280,
    }),
    normEps: numberField(source, "norm_eps", { min: 1e-12, max: 1e-2, fallback: 1e-5 }),
    flipSinToCos: booleanField(source, "flip_sin_to_cos", true),
    freqShift: numberField(source, "freq_shift", { min: 0, max: 1, fallback: 0 }),
    downsamplePadding: integerField(source, "downsample_padding", { min: 1, max: 1, fallback: 1 }),
  };
}

/** Which levels hold transformers: down outermost first, up innermost first. */
function attentionPlaces(
  source: ConfigSource,
  levels: number,
): Pick<UNetConfig, "downAttention" | "upAttention"> {
  const down = choicesField(source, "down_block_types", {
    choices: [...attentionDown, ...plainDown],
    length: levels,
    fallback: [attentionDown[0], attentionDown[0], attentionDown[0], plainDown[0]],
  });
  const up = choicesField(source, "up_block_types", {
    choices: [...attentionUp, ...plainUp],
    length: levels,
    fallback: [plainUp[0], attentionUp[0], attentionUp[0], attentionUp[0]],
  });
  return {
    downAttention: down.map((type) => attentionDown.some((name) => name === type)),
    upAttention: up.map((type) => attentionUp.some((name) => name === type)),
  };
}

/** Heads per level. diffusers calls the number of heads `attention_head_dim`. */
function headCounts(source: ConfigSource, channels: readonly number[]): readonly number[] {
  const key = "attention_head_dim";
  const each = { min: 1, max: 256 };
  const heads = Array.isArray(source.values[key])
    ? integersField(source, key, {
        each,
        length: { min: channels.length, max: channels.length },
        fallback: [],
      })
    : channels.map(() => integerField(source, key, { ...each, fallback: 8 }));
  for (const [level, count] of heads.entries()) {
    const of = { divisor: count, of: channels[level] ?? 0, what: `channels of level ${level}` };
    assertFieldDivides(source, key, of);
  }
  return heads;
}

function groupCount(source: ConfigSource, channels: readonly number[]): number {
  const groups = integerField(source, "norm_num_groups", { min: 1, max: 1024, fallback: 32 });
  for (const [level, count] of channels.entries()) {
    const of = { divisor: groups, of: count, what: `channels of level ${level}` };
    assertFieldDivides(source, "norm_num_groups", of);
  }
  return groups;
}
