import type { FrameShard } from "./frames/frame-shard.js";
import type { TextConfig } from "./text/config.js";
import type { UNetConfig } from "./unet/config.js";
import type { VaeConfig } from "./vae/config.js";

/** Sizes of one pass of the 3D U-Net; `height` and `width` count latent cells. */
export interface UNetShape {
  readonly batch: number;
  readonly frames: number;
  readonly height: number;
  readonly width: number;
  readonly promptTokens: number;
}

/**
 * CLIP text encoder. In: `ids` [batch, promptTokens] int32.
 * Out: `hidden` [batch, promptTokens, width].
 */
export interface TextSpec {
  readonly kind: "text";
  readonly config: TextConfig;
  readonly batch: number;
}

/**
 * VAE encoder, per frame. In: `pixels` [frames, 3, height, width], -1...1.
 * Out: `mean`, `logvar` [frames, 4, height/f, width/f], unscaled posterior moments.
 */
export interface VaeEncodeSpec {
  readonly kind: "vae-encode";
  readonly config: VaeConfig;
  readonly frames: number;
  readonly height: number;
  readonly width: number;
}

/**
 * VAE decoder, per frame. In: `latents` [frames, 4, height, width], already divided by latentScale;
 * `height` and `width` count latent cells.
 * Out: `pixels` [frames, 3, height*f, width*f], not clamped.
 */
export interface VaeDecodeSpec {
  readonly kind: "vae-decode";
  readonly config: VaeConfig;
  readonly frames: number;
  readonly height: number;
  readonly width: number;
}

/**
 * 3D U-Net forward. In: `latents` [batch, 4, frames, height, width], `timestepSinusoid`
 * [max(batch, 2), blockOutChannels[0]] (host function `timestepSinusoid`; row i belongs to item i,
 * surplus rows repeat the last), `prompt` [batch, promptTokens, crossAttentionDim], and every
 * tensor of `unetInputTensors(config)` (the trainable ones and the temporal norms) under its key.
 * Out: `predictedNoise` [batch, 4, frames, height, width]; for each path in `captures` the output
 * of that module under `act/PATH`, in the authors' axes.
 *
 * With a `shard`, one rank's part of the same pass, over one clip: inputs and outputs stay the
 * whole clip's, and the engine exchanges with the other ranks. Nothing is captured then.
 */
export interface UNetSpec {
  readonly kind: "unet";
  readonly config: UNetConfig;
  readonly shape: UNetShape;
  readonly captures?: readonly string[];
  readonly shard?: FrameShard;
}

/**
 * Loss and gradients of one draw. In: as `unet` with `latents` noised already, and `target`
 * [batch, 4, frames, height, width]. Out: `loss` [] and `grad/KEY` for each key in `trainable`.
 * `memory` "low" computes activations again in the backward pass instead of keeping them.
 */
export interface UNetGradientsSpec {
  readonly kind: "unet-gradients";
  readonly config: UNetConfig;
  readonly shape: UNetShape;
  readonly trainable: readonly string[];
  readonly memory: "fast" | "low";
}

/**
 * One module of the U-Net by its path in the checkpoint, with or without gradients: for proofs.
 * In: `x`, maybe `text` and `temb`, in the authors' axes; tensors of `unetInputTensors` that lie
 * under the path, under their key; with `gradients` also `cotangent`, of `out`'s shape.
 * Out: `out`; with `gradients` also `grad.x` and `grad.KEY` for each of `gradients`,
 * KEY below the path.
 */
export interface ModuleSpec {
  readonly kind: "module";
  readonly config: UNetConfig;
  readonly path: string;
  readonly moduleKind: ModuleKind;
  readonly x: readonly number[];
  readonly text?: readonly number[];
  readonly temb?: readonly number[];
  /** For `upsample`: the size [height, width] to reach; default twice the input's. */
  readonly size?: readonly [number, number];
  /** For attention over folded frames: how many frames one clip has. */
  readonly frames: number;
  readonly gradients?: readonly string[];
  /** Shape of `out`, needed with `gradients`. */
  readonly out?: readonly number[];
}
export type ModuleKind =
  | "conv"
  | "downsample"
  | "upsample"
  | "resnet"
  | "group-norm-over-frames"
  | "group-norm-per-frame"
  | "layer-norm"
  | "sparse-causal-attention"
  | "cross-attention"
  | "feed-forward"
  | "temporal-attention"
  | "transformer-block"
  | "transformer-3d"
  | "mid-block"
  | "time-embedding";

/** All that decides a program's graph; plain data: it crosses to workers and keys caches. */
export type ProgramSpec =
  | TextSpec
  | VaeEncodeSpec
  | VaeDecodeSpec
  | UNetSpec
  | UNetGradientsSpec
  | ModuleSpec;
