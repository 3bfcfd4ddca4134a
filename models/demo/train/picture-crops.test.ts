import { describe, expect, it } from "vitest";
import { cellWeights } from "./cell-weights.js";
import { drawnLatents } from "./latent-items.js";
import { cropOfItem, wholePicture, writeCrop } from "./picture-crops.js";
import type { PictureSet } from "./training-data.js";

/** Two pictures of 8x8; every pixel's value says where it is. The second's subject is a corner. */
const set: PictureSet = {
  ...{ count: 2, side: 8, promptTokens: 1 },
  pixels: Uint8Array.from({ length: 2 * 3 * 64 }, (_, i) => i % 256),
  boxes: Float32Array.of(2, 2, 4, 4, 4, 4),
  ids: new Int32Array(2),
};
const key = (item: number) => ({ seed: 33n, step: 5, item });
const items = Array.from({ length: 200 }, (_, item) => item);

describe("cropOfItem", () => {
  it("stays inside of its picture, on the grid", () => {
    for (const item of items) {
      const crop = cropOfItem(key(item), set, { pictures: 2, side: 4, grid: 2 });
      expect([0, 2, 4]).toContain(crop.left);
      expect([0, 2, 4]).toContain(crop.top);
      expect([0, 1]).toContain(crop.picture);
    }
  });

  it("lies near the subject more often than not, and chooses all pictures", () => {
    const crops = items.map((item) =>
      cropOfItem(key(item), set, { pictures: 2, side: 4, grid: 1 }),
    );
    const second = crops.filter(({ picture }) => picture === 1);
    expect(second.length).toBeGreaterThan(50);
    expect(second.length).toBeLessThan(150);
    const near = second.filter(({ left, top }) => left >= 3 && top >= 3);
    expect(near.length / second.length).toBeGreaterThan(0.5);
  });
});

describe("writeCrop", () => {
  it("copies a square of each channel, as -1...1", () => {
    const into = new Float32Array(2 * 3 * 4);
    writeCrop(into, 1, { set, crop: { picture: 1, left: 3, top: 2, side: 2 } });
    expect([...into.subarray(0, 12)]).toEqual(new Array(12).fill(0));
    const expected = [0, 1, 2].flatMap((channel) =>
      [19, 20, 27, 28].map((cell) => Math.fround(((192 + 64 * channel + cell) % 256) / 127.5 - 1)),
    );
    expect([...into.subarray(12)]).toEqual(expected);
    expect(wholePicture(set, 1)).toEqual({ picture: 1, left: 0, top: 0, side: 8 });
  });
});

describe("drawnLatents", () => {
  it("cuts the square out of all channels, and spreads it by the posterior", () => {
    const mean = Float32Array.from({ length: 2 * 2 * 16 }, (_, i) => i);
    const logVariance = new Float32Array(mean.length).fill(Math.log(4));
    const crop = { picture: 1, left: 1, top: 2, side: 2 };
    const noise = Float32Array.of(0, 0, 0, 0, 1, 1, 1, 1);
    const drawn = drawnLatents({ mean, logVariance }, { channels: 2, side: 4 }, { crop, noise });
    const expected = [41, 42, 45, 46, 59, 60, 63, 64];
    drawn.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i] ?? 0, 5);
    });
  });

  it("says when nothing was encoded yet", () => {
    const crop = { picture: 0, left: 0, top: 0, side: 1 };
    const call = () =>
      drawnLatents(undefined, { channels: 1, side: 4 }, { crop, noise: new Float32Array(1) });
    expect(call).toThrow("expected pictures to be encoded");
  });
});

describe("cellWeights", () => {
  it("counts cells of the subject's box three times, and adds up to the total", () => {
    const weights = cellWeights(set, [0, 1], { side: 4, total: 6 });
    expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(6, 5);
    const heavy = [...weights.entries()].filter(([, weight]) => weight > (weights[0] ?? 0));
    expect(heavy.map(([cell]) => cell)).toEqual([5, 6, 9, 10, 16 + 10, 16 + 11, 16 + 14, 16 + 15]);
    expect((heavy[0]?.[1] ?? 0) / (weights[0] ?? 1)).toBeCloseTo(3, 5);
  });
});
