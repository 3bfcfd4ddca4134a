import { createHash } from "node:crypto";
import { join } from "node:path";
import { ProgramCache } from "../runtime/program-cache.js";
import type { ModelFiles } from "./model-files.js";
import { type PassCosts, type PassName, predictCost } from "./predict-cost.js";

/** What a pass takes: of memory so much, and so much more for each pixel of each frame. */
export interface PassDemand {
  readonly pass: PassName;
  /** Gradients, computed with the setting `memory: low`. */
  readonly lowMemory: boolean;
  readonly fixedBytes: number;
  readonly bytesPerPixel: number;
  /** Floating-point operations for each pixel of each frame. */
  readonly flopsPerPixel: number;
  /** And for each pair of pixels of each frame: attention compares them. */
  readonly flopsPerPixelPair: number;
}

/**
 * The two sizes of which a line is made, with latents of so many cells along a side: at SD size
 * their graphs are traced in three seconds. Of passes as large as 24 frames of 512x512 and 768x768
 * the line says 0.86 to 1.04 times what their own graphs count.
 */
const sizes = [
  { frames: 4, latentSide: 16 },
  { frames: 24, latentSide: 32 },
] as const;

/** Node and the engine, before any activation. */
const processBytes = 300e6;

/** Changes whenever other numbers come of the same model. */
const formatVersion = 3;

const passes = ["vae-encode", "unet-gradients", "unet", "vae-decode"] as const;

/**
 * What each kind of pass of a model takes, from the cost of its graph at two sizes: activations are
 * nearly linear in pixels and frames. Nothing is run. Whoever admits an edit knows by it how much
 * memory and how long a node needs, without a network of its own.
 */
export function passDemandsOf(files: ModelFiles): readonly PassDemand[] {
  const [small, large] = sizes.map((size) => ({
    framePixels: (size.latentSide * files.latentFactor) ** 2,
    pixels: size.frames * (size.latentSide * files.latentFactor) ** 2,
    ...{ fast: costsAt(files, size, "fast"), low: costsAt(files, size, "low") },
  }));
  if (small === undefined || large === undefined) throw new Error("two sizes make a line");
  const line = (pass: PassName, memory: "fast" | "low"): PassDemand => {
    const [from, to] = [small, large].map((at) => at[memory][pass]?.memoryBytes ?? 0);
    const bytesPerPixel = Math.max(0, ((to ?? 0) - (from ?? 0)) / (large.pixels - small.pixels));
    const ownBytes = Math.max(0, (from ?? 0) - bytesPerPixel * small.pixels);
    // Per pixel, operations grow with the pixels that each is compared with.
    const [few = 0, more = 0] = [small, large].map(
      (at) => (at[memory][pass]?.flops ?? 0) / at.pixels,
    );
    const slope = (more - few) / (large.framePixels - small.framePixels);
    const flopsPerPixelPair = Math.max(0, slope);
    return {
      ...{ pass, lowMemory: memory === "low", fixedBytes: processBytes + ownBytes, bytesPerPixel },
      flopsPerPixel: Math.max(0, more - flopsPerPixelPair * large.framePixels),
      flopsPerPixelPair,
    };
  };
  return [...passes.map((pass) => line(pass, "fast")), line("unet-gradients", "low")];
}

/**
 * The same, from the cache folder where it was worked out before: that takes seconds, and is the
 * same for every node that serves the model.
 */
export async function knownPassDemands(
  files: ModelFiles,
  cacheDir: string,
): Promise<readonly PassDemand[]> {
  const cache = new ProgramCache(join(cacheDir, "costs"));
  const about = JSON.stringify({ formatVersion, model: files.hash, sizes });
  const key = createHash("sha256").update(about).digest("hex");
  const known = await cache.read(key);
  if (known !== undefined) return JSON.parse(new TextDecoder().decode(known));
  const demands = passDemandsOf(files);
  await cache.write(key, new TextEncoder().encode(JSON.stringify(demands)));
  return demands;
}

function costsAt(
  files: ModelFiles,
  { frames, latentSide }: (typeof sizes)[number],
  memory: "fast" | "low",
): PassCosts {
  const side = latentSide * files.latentFactor;
  return predictCost(files, {
    ...{ frames, framesPerPass: frames, height: side, width: side, branches: 1 },
    tuning: { mode: "paper", memory },
  });
}
