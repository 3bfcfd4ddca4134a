import { writeFile } from "node:fs/promises";
import { extname } from "node:path";
import { Code, RetakeError } from "@retake/errors";
import sharp from "sharp";
import { outputError, writeAtomically } from "./atomic-file.js";
import { type Clip, frameOf } from "./clip.js";
import { assertNotStopped } from "./run-program.js";

/**
 * Writes one frame of the clip as a picture, PNG or JPEG by the name's ending.
 *
 * @throws RetakeError bad-option, disk-full, output-not-writable or stopped
 */
export async function writePoster(
  clip: Clip,
  options: { readonly path: string; readonly frame?: number; readonly signal?: AbortSignal },
): Promise<void> {
  const { path, frame = 0, signal } = options;
  if (!Number.isInteger(frame) || frame < 0 || frame >= clip.frames) {
    throw badOption(`frame: expected 0 to ${clip.frames - 1}, got ${frame}`);
  }
  const raw = { width: clip.width, height: clip.height, channels: 3 } as const;
  const image = sharp(frameOf(clip, frame), { raw });
  const ending = extname(path).toLowerCase();
  if (![".png", ".jpg", ".jpeg"].includes(ending)) {
    throw badOption(`${path}: expected a name that ends in .png or .jpg, got "${ending}"`);
  }
  const bytes = await (ending === ".png" ? image.png() : image.jpeg({ quality: 92 })).toBuffer();
  assertNotStopped({ signal, subject: `writing ${path}` });
  await writeAtomically(path, async (temporary) => {
    await writeFile(temporary, bytes).catch((thrown: unknown) => {
      throw outputError(thrown, path);
    });
  });
}

function badOption(message: string): RetakeError {
  return new RetakeError(Code.InvalidArgument, "bad-option", message);
}
