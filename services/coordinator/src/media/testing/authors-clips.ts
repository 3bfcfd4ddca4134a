import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The authors' clips lie beside the repository, not in it; else their tests are skipped. */
export const authorsClipsFolder = fileURLToPath(
  new URL("../../../../../../shared/clips", import.meta.url),
);
export const authorsClipsAreThere = existsSync(authorsClipsFolder);

/** What the clips are, as their files say. */
export const authorsClips = [
  {
    name: "car-turn",
    side: 480,
    frames: 80,
    rate: { numerator: 10, denominator: 1 },
    sound: "none",
  },
  {
    ...{ name: "man-skiing", side: 718, frames: 91, sound: "kept" },
    rate: { numerator: 30_000, denominator: 1001 },
  },
] as const;
