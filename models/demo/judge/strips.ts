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

/** Puts sheets beside each other as one picture of half the size. */
export async function writeSheetsBeside(path: string, sheets: readonly string[]): Promise<void> {
  const halves = await Promise.all(
    sheets.map(async (sheet) => {
      const { width, height } = await sharp(sheet).metadata();
      const size = { width: Math.round(width / 2), height: Math.round(height / 2) };
      const resized = sharp(sheet).resize(size.width, size.height, { kernel: "nearest" });
      return { ...size, input: await resized.png().toBuffer() };
    }),
  );
  const lefts = halves.map((_, at) =>
    halves.slice(0, at).reduce((sum, { width }) => sum + width + gapPixels, 0),
  );
  const width = halves.reduce((sum, half) => sum + half.width + gapPixels, 0);
  const height = Math.max(0, ...halves.map((half) => half.height));
  await sharp({ create: { width, height, channels: 3, background: "#ffffff" } })
    .composite(halves.map(({ input }, at) => ({ input, left: lefts[at] ?? 0, top: 0 })))
    .png({ compressionLevel: 9, palette: true })
    .toFile(path);
}
