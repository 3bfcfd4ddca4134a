import { describe, expect, it } from "vitest";
import { diffusionWork } from "./diffusion-phase.js";
import type { Arrays, Share } from "./phase.js";
import { fullRecipe, type Recipe } from "./recipe.js";
import type { PictureSet, TrainingData } from "./training-data.js";

const phase = { batch: 16, rate: 1e-3, warmupSteps: 1, finalShare: 0.1, averageKeep: 0.9 };
const recipe: Recipe = {
  ...fullRecipe,
  ...{ scenes: 4, validationScenes: 32, clips: 3 },
  phases: {
    ...fullRecipe.phases,
    unet: { ...phase, steps: 4 },
    clip: { ...phase, steps: 10, strangers: { clips: 2, share: 0 } },
  },
};
const cells = 16 * 16;
const channels = 4;
const scale = 0.18215;

function setOf(count: number): PictureSet {
  const size = { count, side: 64, promptTokens: 24 };
  const ids = Int32Array.from({ length: 24 * count }, (_, i) => 1 + Math.floor(i / 24));
  const boxes = Float32Array.from({ length: 3 * count }, (_, i) => (i % 3 === 2 ? 28 : 8));
  return { ...size, ids, boxes, pixels: new Uint8Array() };
}

/** The slope of a line through points: what of the noise is in latents that are else constant. */
function slopeOf(x: readonly number[], y: readonly number[]): number {
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(x), mean(y)];
  const along = x.map((value, i) => (value - meanX) * ((y[i] ?? 0) - meanY));
  return mean(along) / mean(x.map((value) => (value - meanX) ** 2));
}

/** What of noised latents is not noise: positive, but negative in those of strangers. */
function cleanOf(noise: readonly number[], noised: readonly number[]): number {
  const share = slopeOf(noise, noised);
  return ((noised[0] ?? 0) - share * (noise[0] ?? 0)) / Math.sqrt(1 - share * share) / scale;
}

/** Latents whose every cell says of which picture and channel it is; posteriors without spread. */
function latentsOf(count: number) {
  const length = count * channels * cells;
  const mean = Float32Array.from({ length }, (_, i) => 1 + Math.floor(i / cells));
  return { mean, logVariance: new Float32Array(length).fill(-60) };
}

const [scenes, clips] = [setOf(36), setOf(24)];
/** Strangers have prompts and latents that no other has. */
const strangers = { ...setOf(16), ids: setOf(16).ids.map((id) => id + 100) };
const { mean: seenMean, logVariance } = latentsOf(16);
const strangerLatents = { mean: seenMean.map((value) => -value), logVariance };
const data: TrainingData = {
  ...{ scenes, clips, strangers, emptyIds: new Int32Array(24) },
  ...{ sceneLatents: latentsOf(36), clipLatents: latentsOf(24), strangerLatents },
};

const inputsOf = (name: "unet" | "clip", step: number, share: Share): Arrays =>
  diffusionWork(name, { recipe, data, share }).step(step).inputs;
const alone: Share = { index: 0, count: 1 };

const phases = [["unet", 1] as const, ["clip", 0] as const, ["clip", 9] as const];

describe("diffusionWork", () => {
  it.each(phases)("divides the batch of %s, step %i, and changes nothing of it", (name, step) => {
    const whole = inputsOf(name, step, alone);
    const parts = [0, 1].map((index) => inputsOf(name, step, { index, count: 2 }));
    for (const key of ["latents", "target", "weight", "ids"] as const) {
      const joined = parts.flatMap((part) => [...(part[key] ?? [])]);
      expect(joined, key).toEqual([...(whole[key] ?? [])]);
    }
  });

  it("noises all frames of an item to one level, each with its own noise", () => {
    const { latents = [], target = [] } = inputsOf("clip", 0, alone);
    const frames = recipe.itemFrames;
    const items = latents.length / (channels * frames * cells);
    expect(items).toBe(4);
    for (let item = 0; item < items; item += 1) {
      const shares: number[] = [];
      const pictures = new Set<number>();
      for (let line = 0; line < channels * frames; line += 1) {
        const at = (item * channels * frames + line) * cells;
        const noise = [...target.slice(at, at + cells)];
        const noised = [...latents.slice(at, at + cells)];
        shares.push(slopeOf(noise, noised));
        const map = Math.round(cleanOf(noise, noised)) - 1;
        expect(map % channels).toBe(Math.floor(line / frames));
        pictures.add(Math.floor(map / channels));
      }
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThan(1e-5);
      const clipsSeen = new Set([...pictures].map((picture) => Math.floor(picture / 8)));
      expect(pictures.size).toBe(frames);
      expect(clipsSeen.size).toBe(1);
    }
  });

  it("counts each item once, and noisier ones no more than their share", () => {
    const { weight = [] } = inputsOf("unet", 1, alone);
    const sums = Array.from({ length: 16 }, (_, item) =>
      [...weight.slice(item * cells, (item + 1) * cells)].reduce((sum, value) => sum + value, 0),
    );
    // Timesteps rise over the batch; the weight grows with them until the ratio falls below 5.
    expect(sums.at(-1)).toBeCloseTo(1 / 16 / channels, 7);
    expect(sums[0] ?? 1).toBeLessThan(0.5 / 16 / channels);
    sums.slice(1).forEach((sum, i) => {
      expect(sum).toBeGreaterThanOrEqual((sums[i] ?? 0) - 1e-9);
    });
  });

  it.each([
    ["clips", 0, 4],
    ["pictures", 9, 16],
  ] as const)("takes a share of the items of %s from strangers", (_, step, count) => {
    const itemsWith = (share: number) => {
      const clip = { ...recipe.phases.clip, strangers: { clips: 2, share } };
      const given = { recipe: { ...recipe, phases: { ...recipe.phases, clip } }, data };
      const work = diffusionWork("clip", { ...given, share: alone });
      return Array.from({ length: 20 }, (_, turn) => {
        const { ids = [], latents = [], target = [] } = work.step(step + 10 * turn).inputs;
        const length = latents.length / count;
        return Array.from({ length: count }, (_, item) => {
          const [noise, noised] = [target, latents].map((values) => [
            ...values.slice(item * length, item * length + cells),
          ]);
          return { id: ids[24 * item] ?? 0, clean: cleanOf(noise ?? [], noised ?? []) };
        });
      }).flat();
    };
    expect(itemsWith(0).filter(({ id, clean }) => id > 100 || clean < 0)).toEqual([]);
    expect(itemsWith(1).filter(({ id, clean }) => (id !== 0 && id < 100) || clean > 0)).toEqual([]);
    const half = itemsWith(1 / 2);
    for (const { id, clean } of half) if (id !== 0) expect(id > 100).toBe(clean < 0);
    const share = half.filter(({ clean }) => clean < 0).length / half.length;
    expect(share).toBeGreaterThan(0.35);
    expect(share).toBeLessThan(0.65);
  });

  it("leaves some prompts empty", () => {
    const empty = Array.from({ length: 40 }, (_, step) => {
      const { ids = [] } = inputsOf("unet", step, alone);
      return Array.from({ length: 16 }, (_, item) => ids[24 * item] === 0).filter(Boolean).length;
    }).reduce((sum, count) => sum + count, 0);
    expect(empty / (40 * 16)).toBeGreaterThan(0.05);
    expect(empty / (40 * 16)).toBeLessThan(0.16);
  });
});
