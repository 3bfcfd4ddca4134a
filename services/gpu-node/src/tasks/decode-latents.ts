import { framesFirst } from "@retake/model/diffusion";
import type { HostTensor } from "../runtime/engine.js";
import { bytesOfPlanes, type ClipPixels } from "./clip-pixels.js";
import type { FramesAtOnce } from "./encode-clip.js";
import { float32Values, hostTensor, latentSizes, outputValues } from "./host-tensors.js";
import type { Model } from "./open-model.js";
import { type TaskControl, throwIfStopped } from "./task-control.js";

export interface DecodeInput extends FramesAtOnce {
  /** `[1, channels, frames, height, width]`, about unit variance. */
  readonly latents: HostTensor;
  /** Called with the frames of each pass, and the first one's number; waited for. */
  readonly onFrames?: ((frames: ClipPixels, first: number) => Promise<void> | void) | undefined;
}

/**
 * Turns latents into frames, frame by frame.
 *
 * @throws RetakeError  `stopped`, and what the engine throws
 */
export async function decodeLatents(
  model: Model,
  input: DecodeInput,
  control: TaskControl = {},
): Promise<ClipPixels> {
  const { files, programs } = model;
  const { frames, channels, height, width } = latentSizes(input.latents);
  const { framesPerPass = 1 } = input;
  await programs.keepOnly("vae-decode");
  const cells = height * width;
  const ordered = framesFirst(float32Values(input.latents), { frames, channels, tokens: cells });
  const unscaled = ordered.map((value) => value / files.vaeConfig.scalingFactor);
  const size = { height: height * files.latentFactor, width: width * files.latentFactor };
  const pixels = new Uint8Array(frames * size.height * size.width * 3);
  control.onProgress?.({ done: 0, total: frames });
  for (let first = 0; first < frames; first += framesPerPass) {
    throwIfStopped(control, "decoding the frames");
    const count = Math.min(framesPerPass, frames - first);
    const spec = { config: files.vaeConfig, frames: count, height, width };
    const values = unscaled.slice(first * channels * cells, (first + count) * channels * cells);
    const latents = hostTensor([count, channels, height, width], values);
    const outputs = await programs.run(
      { kind: "vae-decode", ...spec },
      { each: { latents } },
      control,
    );
    const bytes = bytesOfPlanes(outputValues(outputs, "pixels"), size);
    pixels.set(bytes, first * size.height * size.width * 3);
    await input.onFrames?.({ pixels: bytes, frames: count, ...size }, first);
    control.onProgress?.({ done: first + count, total: frames });
  }
  return { pixels, frames, ...size };
}
