import { ShapeError } from "@retake/errors";
import type { HostTensor, HostTensors } from "../runtime/engine.js";

/** How many values a tensor of this shape has. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** A float32 tensor, checked: as many values as its shape says. */
export function hostTensor(shape: readonly number[], data: Float32Array): HostTensor {
  if (sizeOf(shape) === data.length) return { shape, data };
  throw new ShapeError(`tensor: expected [${shape}], got ${data.length} values`);
}

/**
 * A tensor's values.
 *
 * @throws ShapeError  if it holds no float32 values
 */
export function float32Values(tensor: HostTensor): Float32Array {
  if (tensor.data instanceof Float32Array) return tensor.data;
  throw new ShapeError(`tensor: expected float32 values of [${tensor.shape}], got int32`);
}

/** The values of a program's output. */
export function outputValues(outputs: HostTensors, name: string): Float32Array {
  const output = outputs[name];
  if (output !== undefined) return float32Values(output);
  throw new ShapeError(`outputs: expected ${name}, got ${Object.keys(outputs).join(", ")}`);
}

/** Sizes of a clip's latents, `[1, channels, frames, height, width]`, in latent cells. */
export interface LatentSizes {
  readonly channels: number;
  readonly frames: number;
  readonly height: number;
  readonly width: number;
}

/** @throws ShapeError  if the tensor is not the latents of one clip */
export function latentSizes(latents: HostTensor): LatentSizes {
  const [batch, channels = 0, frames = 0, height = 0, width = 0, ...more] = latents.shape;
  if (batch !== 1 || latents.shape.length !== 5 || more.length > 0) {
    const expected = "[1, channels, frames, height, width]";
    throw new ShapeError(`latents: expected ${expected}, got [${latents.shape}]`);
  }
  return { channels, frames, height, width };
}

/** Whether every value is a number. */
export function isFinite32(values: Float32Array): boolean {
  for (const value of values) if (!Number.isFinite(value)) return false;
  return true;
}
