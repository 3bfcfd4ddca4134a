import { describe, expect, it } from "vitest";
import { backdropOf, lookOf, scene, trainingContent } from "./scene.js";
import { allPlaces, isClashing, isHeldOut, isUnseen } from "./vocabulary.js";

describe("scene", () => {
  it("depends on seed and index alone", () => {
    const first = scene({ seed: 3, index: 5 });
    scene({ seed: 3, index: 6 });
    expect(scene({ seed: 3, index: 5 })).toEqual(first);
    expect(scene({ seed: 3, index: 6 }).pixels).not.toEqual(first.pixels);
    expect(scene({ seed: 4, index: 5 }).pixels).not.toEqual(first.pixels);
  });

  it("has colours from 0 to 1, and the box inside the picture", () => {
    for (let index = 0; index < 40; index += 1) {
      const { pixels, box, side } = scene({ seed: 1, index });
      expect(pixels.length).toBe(side * side * 3);
      expect(pixels.every((value) => value >= 0 && value <= 1)).toBe(true);
      expect(Math.min(box.left, box.top)).toBeGreaterThanOrEqual(0);
      expect(Math.max(box.left, box.top) + box.side).toBeLessThanOrEqual(side);
    }
  });

  it("looks the same at another size", () => {
    const key = { seed: 1, index: 2 };
    const small = scene(key).pixels;
    const large = scene(key, { side: 128 }).pixels;
    let sum = 0;
    for (let at = 0; at < small.length; at += 1) {
      const [channel, x, y] = [at % 3, Math.floor(at / 3) % 64, Math.floor(at / 192)];
      const pixel = (dx: number, dy: number): number =>
        large[((2 * y + dy) * 128 + 2 * x + dx) * 3 + channel] ?? Number.NaN;
      const mean = (pixel(0, 0) + pixel(1, 0) + pixel(0, 1) + pixel(1, 1)) / 4;
      sum += Math.abs(mean - (small[at] ?? Number.NaN));
    }
    expect(sum / small.length).toBeLessThan(0.01);
  });

  it("refuses a size that is no multiple of the grid", () => {
    expect(() => scene({ seed: 1, index: 0 }, { side: 96 })).toThrow("multiple of 64");
  });
});

describe("trainingContent", () => {
  it("chooses nothing unseen, held out or clashing, and a tint in a fifth to a quarter", () => {
    const chosen = Array.from({ length: 2000 }, (_, index) => trainingContent({ seed: 9, index }));
    for (const forbidden of [isUnseen, isHeldOut, isClashing]) {
      expect(chosen.filter(forbidden)).toEqual([]);
    }
    const tinted = chosen.filter(({ colour }) => colour !== null).length / chosen.length;
    expect(tinted).toBeGreaterThan(0.15);
    expect(tinted).toBeLessThan(0.27);
  });
});

describe("backdropOf", () => {
  it("leaves no part of any place unpainted", () => {
    for (const place of allPlaces) {
      const content = { subject: "cat", colour: null, verb: "running", place } as const;
      for (let index = 0; index < 10; index += 1) {
        const pixels = backdropOf({ seed: 2, index }, lookOf(content), 64);
        const rows = Array.from({ length: 64 }, (_, y) => pixels.subarray(y * 192, y * 192 + 192));
        expect(rows.filter((row) => row.every((value) => value === 0))).toEqual([]);
      }
    }
  });
});
