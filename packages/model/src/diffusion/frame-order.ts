import { ShapeError } from "@retake/errors";

/** Sizes of one clip's frames, whichever way round. */
export interface FrameSizes {
  readonly frames: number;
  readonly channels: number;
  /** height * width */
  readonly tokens: number;
}

/**
 * Frames as the VAE has them, in the order that the U-Net wants.
 *
 * @param data   `[frames, channels, height, width]`, float32
 * @returns      `[1, channels, frames, height, width]`, float32; the caller owns it
 * @throws ShapeError  if `data` has another size
 */
export function channelsFirst(data: Float32Array, sizes: FrameSizes): Float32Array {
  return swapped(data, { outer: sizes.frames, inner: sizes.channels, tokens: sizes.tokens });
}

/**
 * Frames as the U-Net has them, in the order that the VAE wants.
 *
 * @param data   `[1, channels, frames, height, width]`, float32
 * @returns      `[frames, channels, height, width]`, float32; the caller owns it
 * @throws ShapeError  if `data` has another size
 */
export function framesFirst(data: Float32Array, sizes: FrameSizes): Float32Array {
  return swapped(data, { outer: sizes.channels, inner: sizes.frames, tokens: sizes.tokens });
}

function swapped(
  data: Float32Array,
  sizes: { readonly outer: number; readonly inner: number; readonly tokens: number },
): Float32Array {
  const { outer, inner, tokens } = sizes;
  if (data.length !== outer * inner * tokens) {
    const expected = `${outer} x ${inner} x ${tokens}`;
    throw new ShapeError(`frames: expected ${expected} values, got ${data.length}`);
  }
  const result = new Float32Array(data.length);
  for (let i = 0; i < outer; i += 1) {
    for (let j = 0; j < inner; j += 1) {
      const from = (i * inner + j) * tokens;
      result.set(data.subarray(from, from + tokens), (j * outer + i) * tokens);
    }
  }
  return result;
}
