import { ShapeError } from "@retake/errors";
import type { HostTensor } from "../runtime/engine.js";
import { float32Values } from "../tasks/host-tensors.js";

/**
 * How far two clips are apart: the mean squared difference of their latents.
 *
 * @param left, right  `[1, channels, frames, height, width]` each, float32
 * @throws ShapeError  if they are not of one shape
 */
export function latentsError(left: HostTensor, right: HostTensor): number {
  if (String(left.shape) !== String(right.shape)) {
    throw new ShapeError(`latents: expected [${left.shape}] twice, got [${right.shape}]`);
  }
  const [values, others] = [float32Values(left), float32Values(right)];
  let sum = 0;
  for (const [at, value] of values.entries()) sum += (value - (others[at] ?? 0)) ** 2;
  return sum / values.length;
}
