import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

/** Writes one second of moving test picture, so many frames of so many pixels a side. */
export async function createTestClip(
  folder: string,
  { frames, pixels }: { readonly frames: number; readonly pixels: number },
): Promise<string> {
  const path = join(folder, "clip.mp4");
  const source = `testsrc2=size=${pixels}x${pixels}:rate=${frames}:duration=1`;
  await promisify(execFile)("ffmpeg", ["-v", "error", "-f", "lavfi", "-i", source, path]);
  return path;
}
