/** What the VAE's shape depends on, read from `vae/config.json`. */
export interface VaeConfig {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly latentChannels: number;
  /** Channels per level, outermost first; each level after the first halves height and width. */
  readonly blockOutChannels: readonly number[];
  readonly layersPerBlock: number;
  readonly normGroups: number;
  /** Multiplies latents so that they have about unit variance: 0.18215 in SD 1.x. */
  readonly scalingFactor: number;
}
