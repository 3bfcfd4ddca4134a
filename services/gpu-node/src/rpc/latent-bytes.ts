import { badMessage, wholeNumber } from "@retake/wire/decoders";
import type { HostTensor } from "../runtime/engine.js";
import { hostTensor, sizeOf } from "../tasks/host-tensors.js";

const valueBytes = 4;
const axisMax = 2 ** 16;
const timestepMax = 100_000;

/** Float32, little-endian, as processors are that ONNX Runtime runs on: a view. */
export function bytesOfValues(values: Float32Array): Buffer {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
}

/** @throws RetakeError  `bad-message` for another number of values */
export function valuesOfBytes(bytes: Uint8Array, shape: readonly number[]): HostTensor {
  const values = new Float32Array(sizeOf(shape));
  if (bytes.length !== values.byteLength) {
    const expected = `[${shape}], ${values.length * valueBytes} bytes`;
    throw badMessage("latents", { expected, got: `${bytes.length} bytes` });
  }
  bytesOfValues(values).set(bytes);
  return hostTensor(shape, values);
}

/**
 * The shape of a clip's latents.
 *
 * @throws RetakeError  `bad-message`
 */
export function decodeLatentShape(shape: readonly number[]): readonly number[] {
  for (const size of shape) {
    wholeNumber(size, { subject: "latents: axis", min: 1, max: axisMax });
  }
  if (shape.length !== 5 || shape[0] !== 1) {
    const expected = "[1, channels, frames, height, width]";
    throw badMessage("latents", { expected, got: `[${shape}]` });
  }
  return shape;
}

/** @throws RetakeError  `bad-message` for what is no schedule's */
export function decodeTimestep(timestep: number): number {
  return wholeNumber(timestep, { subject: "timestep", min: 0, max: timestepMax });
}
