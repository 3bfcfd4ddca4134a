/** Frames of a clip as bytes: RGB, 0...255, `[frames, height, width, 3]`. */
export interface ClipPixels {
  readonly pixels: Uint8Array;
  readonly frames: number;
  readonly height: number;
  readonly width: number;
}

/**
 * Frames as the VAE takes them.
 *
 *     value / 127.5 - 1
 *
 * @param range.first  the first frame wanted
 * @param range.count  how many
 * @returns            `[count, 3, height, width]`, float32, -1...1; the caller owns it
 */
export function pixelPlanes(
  clip: ClipPixels,
  range: { readonly first: number; readonly count: number },
): Float32Array {
  const area = clip.height * clip.width;
  const planes = new Float32Array(range.count * 3 * area);
  for (let frame = 0; frame < range.count; frame += 1) {
    const from = (range.first + frame) * area * 3;
    const to = frame * area * 3;
    for (let i = 0; i < area; i += 1) {
      for (let colour = 0; colour < 3; colour += 1) {
        const byte = clip.pixels[from + i * 3 + colour] ?? 0;
        planes[to + colour * area + i] = Math.fround(byte / 127.5) - 1;
      }
    }
  }
  return planes;
}

/**
 * What the VAE decoded, as bytes. A value is cut down to the next integer, not rounded: the
 * authors write their frames so, and theirs are what ours are compared with.
 *
 *     floor(255 clamp(value / 2 + 0.5, 0, 1))
 *
 * @param planes  `[frames, 3, height, width]`, float32, about -1...1
 * @returns       `[frames, height, width, 3]`; the caller owns it
 * @source `save_videos_grid` in the authors' code
 */
export function bytesOfPlanes(
  planes: Float32Array,
  size: { readonly height: number; readonly width: number },
): Uint8Array {
  const area = size.height * size.width;
  const frames = planes.length / (3 * area);
  const bytes = new Uint8Array(planes.length);
  for (let frame = 0; frame < frames; frame += 1) {
    const base = frame * 3 * area;
    for (let colour = 0; colour < 3; colour += 1) {
      for (let i = 0; i < area; i += 1) {
        const value = Math.fround((planes[base + colour * area + i] ?? 0) / 2 + 0.5);
        const bounded = Math.min(Math.max(value, 0), 1);
        bytes[base + i * 3 + colour] = Math.trunc(Math.fround(bounded * 255));
      }
    }
  }
  return bytes;
}
