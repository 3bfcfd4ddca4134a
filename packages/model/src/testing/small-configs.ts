import type { TextConfig } from "../text/config.js";
import type { UNetConfig } from "../unet/config.js";
import type { VaeConfig } from "../vae/config.js";

/** Two levels; attention on the outer one going down, and on the outer one going up. */
export const smallUNet: UNetConfig = {
  inChannels: 4,
  outChannels: 4,
  blockOutChannels: [4, 8],
  downAttention: [true, false],
  upAttention: [false, true],
  layersPerBlock: 1,
  heads: [2, 2],
  crossAttentionDim: 6,
  normGroups: 2,
  normEps: 1e-5,
  flipSinToCos: true,
  freqShift: 0,
  downsamplePadding: 1,
};

/** Stable Diffusion 1.4's. */
export const stableDiffusionUNet: UNetConfig = {
  ...smallUNet,
  blockOutChannels: [320, 640, 1280, 1280],
  downAttention: [true, true, true, false],
  upAttention: [false, true, true, true],
  layersPerBlock: 2,
  heads: [8, 8, 8, 8],
  crossAttentionDim: 768,
  normGroups: 32,
};

export const smallVae: VaeConfig = {
  inChannels: 3,
  outChannels: 3,
  latentChannels: 4,
  blockOutChannels: [4, 8],
  layersPerBlock: 1,
  normGroups: 2,
  scalingFactor: 0.18215,
};

export const smallText: TextConfig = {
  vocabSize: 10,
  promptTokens: 5,
  width: 8,
  mlpWidth: 16,
  layers: 2,
  heads: 2,
  normEps: 1e-5,
  activation: "quick_gelu",
};
