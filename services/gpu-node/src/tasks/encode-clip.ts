import { Code, RetakeError } from "@retake/errors";
import { channelsFirst, posteriorLatents } from "@retake/model/diffusion";
import type { HostTensor } from "../runtime/engine.js";
import { type ClipPixels, pixelPlanes } from "./clip-pixels.js";
import { hostTensor, latentSizes, outputValues } from "./host-tensors.js";
import type { Model } from "./open-model.js";
import { type TaskControl, throwIfStopped } from "./task-control.js";

/**
 * What the VAE says about a clip: mean and log-variance of its posterior, unscaled, in the order
 * of the U-Net, `[1, channels, frames, height, width]` in latent cells.
 */
export interface ClipMoments {
  readonly mean: HostTensor;
  readonly logVariance: HostTensor;
}

export interface FramesAtOnce {
  /** Frames in one pass; more than one is faster, and gives other bits. Default 1. */
  readonly framesPerPass?: number | undefined;
}

/**
 * Encodes a clip, frame by frame.
 *
 * @throws RetakeError  `frame-size` if the VAE cannot halve the sides so often; `stopped`
 */
export async function encodeClip(
  model: Model,
  clip: ClipPixels & FramesAtOnce,
  control: TaskControl = {},
): Promise<ClipMoments> {
  const { files, programs } = model;
  const { frames, height, width, framesPerPass = 1 } = clip;
  assertSides(clip, files.latentFactor);
  await programs.keepOnly("vae-encode");
  const cells = (height / files.latentFactor) * (width / files.latentFactor);
  const channels = files.vaeConfig.latentChannels;
  const moments = {
    mean: new Float32Array(frames * channels * cells),
    logvar: new Float32Array(0),
  };
  moments.logvar = new Float32Array(moments.mean.length);
  control.onProgress?.({ done: 0, total: frames });
  for (let first = 0; first < frames; first += framesPerPass) {
    throwIfStopped(control, "encoding the clip");
    const count = Math.min(framesPerPass, frames - first);
    const spec = { config: files.vaeConfig, frames: count, height, width };
    const pixels = hostTensor([count, 3, height, width], pixelPlanes(clip, { first, count }));
    const outputs = await programs.run(
      { kind: "vae-encode", ...spec },
      { each: { pixels } },
      control,
    );
    for (const name of ["mean", "logvar"] as const) {
      moments[name].set(outputValues(outputs, name), first * channels * cells);
    }
    control.onProgress?.({ done: first + count, total: frames });
  }
  const shape = [1, channels, frames, height / files.latentFactor, width / files.latentFactor];
  const ordered = (values: Float32Array): HostTensor =>
    hostTensor(shape, channelsFirst(values, { frames, channels, tokens: cells }));
  return { mean: ordered(moments.mean), logVariance: ordered(moments.logvar) };
}

/** The latents that inversion starts from: the posterior's mean, without any chance. */
export function meanLatents(model: Model, moments: ClipMoments): HostTensor {
  latentSizes(moments.mean);
  return posteriorOf(model, moments);
}

/** Latents drawn from the posterior with the given noise, or its mean; the moments' shape. */
export function posteriorOf(model: Model, moments: ClipMoments, noise?: Float32Array): HostTensor {
  const latentScale = model.files.vaeConfig.scalingFactor;
  const values = {
    mean: Float32Array.from(moments.mean.data),
    logVariance: Float32Array.from(moments.logVariance.data),
  };
  const options = noise === undefined ? { latentScale } : { latentScale, noise };
  return hostTensor(moments.mean.shape, posteriorLatents(values, options));
}

function assertSides({ height, width }: ClipPixels, factor: number): void {
  if (height % factor === 0 && width % factor === 0) return;
  const expected = `height and width to be multiples of ${factor}`;
  const message = `clip: expected ${expected}, got ${height} and ${width}; choose another size`;
  throw new RetakeError(Code.InvalidArgument, "frame-size", message);
}
