/** What the U-Net's shape depends on, read from `unet/config.json` of a 2D checkpoint. */
export interface UNetConfig {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Channels per level, outermost first. */
  readonly blockOutChannels: readonly number[];
  /** Per level, outermost first: whether the level's blocks hold transformers. */
  readonly downAttention: readonly boolean[];
  /** Per level of the up path, innermost first. */
  readonly upAttention: readonly boolean[];
  readonly layersPerBlock: number;
  /** Heads per level, outermost first. diffusers calls the number of heads `attention_head_dim`. */
  readonly heads: readonly number[];
  readonly crossAttentionDim: number;
  readonly normGroups: number;
  readonly normEps: number;
  readonly flipSinToCos: boolean;
  readonly freqShift: number;
  readonly downsamplePadding: number;
}
