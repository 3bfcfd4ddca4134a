const className = (name: string): object => ({ _class_name: name, _diffusers_version: "0.11.1" });

const tokens = { begin: 717, end: 718 } as const;

/**
 * The configs of the checkpoint's parts, as they are written to its folders: the geometry of Stable
 * Diffusion 1.x, narrow and with a VAE of three levels.
 */
export const checkpointConfigs = {
  unet: {
    ...className("UNet2DConditionModel"),
    sample_size: 16,
    in_channels: 4,
    out_channels: 4,
    block_out_channels: [32, 64, 96, 96],
    layers_per_block: 2,
    attention_head_dim: 2,
    cross_attention_dim: 96,
    down_block_types: [
      ...["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    ],
    up_block_types: [
      ...["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    ],
    norm_num_groups: 8,
    norm_eps: 1e-5,
    act_fn: "silu",
    center_input_sample: false,
    downsample_padding: 1,
    flip_sin_to_cos: true,
    freq_shift: 0,
    mid_block_scale_factor: 1,
  },
  vae: {
    ...className("AutoencoderKL"),
    sample_size: 64,
    in_channels: 3,
    out_channels: 3,
    latent_channels: 4,
    block_out_channels: [16, 32, 64],
    layers_per_block: 1,
    norm_num_groups: 8,
    act_fn: "silu",
    down_block_types: ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
    up_block_types: ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"],
  },
  text_encoder: {
    architectures: ["CLIPTextModel"],
    model_type: "clip_text_model",
    vocab_size: 719,
    max_position_embeddings: 24,
    hidden_size: 96,
    intermediate_size: 256,
    projection_dim: 96,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    hidden_act: "quick_gelu",
    layer_norm_eps: 1e-5,
    attention_dropout: 0,
    bos_token_id: tokens.begin,
    eos_token_id: tokens.end,
    pad_token_id: tokens.end,
    torch_dtype: "float16",
  },
  scheduler: {
    ...className("DDIMScheduler"),
    num_train_timesteps: 1000,
    beta_start: 0.00085,
    beta_end: 0.012,
    beta_schedule: "scaled_linear",
    clip_sample: false,
    set_alpha_to_one: false,
    steps_offset: 1,
    prediction_type: "epsilon",
  },
} as const;
