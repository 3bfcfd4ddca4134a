import sharp from "sharp";

/** One picture of a sheet: `[side, side, 3]`, float32, 0...1. */
export interface SheetPicture {
  readonly pixels: Float32Array;
  readonly side: number;
}

const gapPixels = 2;

/** RGB bytes of a picture. */
export function bytesOf(pixels: Float32Array): Uint8Array {
  return Uint8Array.from(pixels, (value) => Math.round(Math.min(1, Math.max(0, value)) * 255));
}

/**
 * Writes pictures in rows as one PNG, so that a person can look at them.
 *
 * @param options.pixelsEach  to a side of each picture in the sheet; pixels are repeated
 */
export async function writePictureSheet(
  path: string,
  rows: readonly (readonly SheetPicture[])[],
  options: { readonly pixelsEach: number },
): Promise<void> {
  const { pixelsEach } = options;
  const step = pixelsEach + gapPixels;
  const columnCount = Math.max(...rows.map((row) => row.length));
  const tiles = await Promise.all(
    rows.flatMap((row, y) =>
      row.map(async ({ pixels, side }, x) => {
        const raw = { width: side, height: side, channels: 3 } as const;
        const input = await sharp(bytesOf(pixels), { raw })
          .resize(pixelsEach, pixelsEach, { kernel: "nearest" })
          .png()
          .toBuffer();
        return { input, left: x * step, top: y * step };
      }),
    ),
  );
  const size = { width: columnCount * step - gapPixels, height: rows.length * step - gapPixels };
  await sharp({ create: { ...size, channels: 3, background: "#ffffff" } })
    .composite(tiles)
    .png({ compressionLevel: 9 })
    .toFile(path);
}
