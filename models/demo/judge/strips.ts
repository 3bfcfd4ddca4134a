import type { ClipPixels } from "@retake/gpu-node";
import sharp from "sharp";

const pixelsEach = 128;
const gapPixels = 6;

/** Writes the frames of a clip side by side, at twice their size. */
export async function writeStrip(path: string, clip: ClipPixels): Promise<void> {
  const { pixels, frames, height, width } = clip;
  const row = new Uint8Array(pixels.length);
  for (let frame = 0; frame < frames; frame += 1) {
    for (let y = 0; y < height; y += 1) {
      const from = (frame * height + y) * width * 3;
      row.set(pixels.subarray(from, from + width * 3), (y * frames + frame) * width * 3);
    }
  }
  const raw = { width: frames * width, height, channels: 3 } as const;
  await sharp(row, { raw })
    .resize(frames * pixelsEach, pixelsEach, { kernel: "nearest" })
    .png()
    .toFile(path);
}

/** Puts strips below each other as one picture. */
export async function writeStripSheet(path: string, strips: readonly string[]): Promise<void> {
  const pictures = await Promise.all(
    strips.map(async (input, index) => {
      const { width } = await sharp(input).metadata();
      return { input, width, left: 0, top: index * (pixelsEach + gapPixels) };
    }),
  );
  const width = Math.max(...pictures.map((picture) => picture.width));
  const height = strips.length * (pixelsEach + gapPixels);
  await sharp({ create: { width, height, channels: 3, background: "#ffffff" } })
    .composite(pictures.map(({ input, left, top }) => ({ input, left, top })))
    .png({ compressionLevel: 9 })
    .toFile(path);
}
