import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ModelFiles, openModelFiles } from "./model-files.js";
import { passDemandsOf } from "./pass-demands.js";
import { predictCost } from "./predict-cost.js";

const source = fileURLToPath(new URL("../../../../models/demo", import.meta.url));
let folder = "";
let files: ModelFiles;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "retake-memory-"));
  files = await openModelFiles({ source, cacheDir: folder });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const processBytes = 300e6;

describe("passDemandsOf", () => {
  it("tells of a size that it did not trace about what the graph of that size takes", () => {
    const lines = passDemandsOf(files);
    const size = { frames: 16, height: 160, width: 96 };
    const pixels = size.frames * size.height * size.width;
    for (const memory of ["fast", "low"] as const) {
      const exact = predictCost(files, {
        ...{ ...size, branches: 1, framesPerPass: size.frames },
        tuning: { mode: "paper", memory },
      });
      for (const { pass, lowMemory, fixedBytes, bytesPerPixel } of lines) {
        if (lowMemory !== (memory === "low")) continue;
        const told = fixedBytes - processBytes + bytesPerPixel * pixels;
        const ratio = told / (exact[pass]?.memoryBytes ?? 0);
        expect([pass, ratio > 0.8 && ratio < 1.25, ratio]).toEqual([pass, true, ratio]);
      }
    }
  });

  it("tells of other sizes about as many operations as their graphs count", () => {
    const lines = passDemandsOf(files);
    const sizes = [
      { frames: 16, height: 160, width: 96 },
      { frames: 8, height: 512, width: 512 },
    ];
    for (const { frames, height, width } of sizes) {
      const exact = predictCost(files, {
        ...{ frames, height, width, branches: 1, framesPerPass: frames },
        tuning: { mode: "paper", memory: "low" },
      });
      for (const { pass, lowMemory, flopsPerPixel, flopsPerPixelPair } of lines) {
        if (lowMemory !== (pass === "unet-gradients")) continue;
        const pixels = height * width;
        const told = frames * pixels * (flopsPerPixel + flopsPerPixelPair * pixels);
        const ratio = told / (exact[pass]?.flops ?? 0);
        expect([pass, ratio > 0.8 && ratio < 1.25, ratio]).toEqual([pass, true, ratio]);
      }
    }
  });

  it("says that gradients take more than a forward pass, and less with memory low", () => {
    const perPixel = (pass: string, lowMemory: boolean): number =>
      passDemandsOf(files).find((line) => line.pass === pass && line.lowMemory === lowMemory)
        ?.bytesPerPixel ?? 0;
    expect(perPixel("unet", false)).toBeGreaterThan(0);
    expect(perPixel("unet-gradients", true)).toBeGreaterThan(2 * perPixel("unet", false));
    expect(perPixel("unet-gradients", false)).toBeGreaterThan(2 * perPixel("unet-gradients", true));
  });
});
