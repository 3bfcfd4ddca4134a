import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assertClipSize, fitSize } from "./clip-size.js";

describe("fitSize", () => {
  it.each([
    [{ width: 480, height: 480 }, 512 * 512, { width: 512, height: 512 }],
    [{ width: 718, height: 718 }, 256 * 256, { width: 256, height: 256 }],
    [{ width: 1920, height: 1080 }, 512 * 512, { width: 680, height: 384 }],
    [{ width: 1080, height: 1920 }, 512 * 512, { width: 384, height: 680 }],
    [{ width: 720, height: 576, pixelAspect: 64 / 45 }, 512 * 512, { width: 680, height: 384 }],
  ])("gives %j within %i pixels the size %j", (source, pixelsMax, size) => {
    expect(fitSize(source, pixelsMax)).toEqual(size);
  });

  it("keeps sides in multiples of 8 and the pixels within their number, for any shape", () => {
    const side = fc.integer({ min: 8, max: 16_384 });
    fc.assert(
      fc.property(
        side,
        side,
        fc.integer({ min: 64, max: 1_000_000 }),
        (width, height, pixelsMax) => {
          const size = fitSize({ width, height }, pixelsMax);
          expect(() => assertClipSize(size)).not.toThrow();
          expect(size.width * size.height).toBeLessThanOrEqual(pixelsMax);
        },
      ),
    );
  });
});

describe("assertClipSize", () => {
  it("takes the smallest and the largest size", () => {
    assertClipSize({ width: 8, height: 4096 });
  });

  it.each([
    [{ width: 500, height: 512 }, /^width: .* got 500; the nearest is 504$/],
    [{ width: 512, height: 0 }, /^height: .* got 0; the nearest is 8$/],
    [{ width: 4104, height: 8 }, /^width: .* got 4104; the nearest is 4096$/],
    [{ width: Number.NaN, height: 8 }, /^width: .* got NaN; the nearest is 512$/],
    [{ width: 8.5, height: 8 }, /^width: .* got 8.5; the nearest is 8$/],
  ])("refuses %j and names the nearest", (size, message) => {
    expect(() => assertClipSize(size)).toThrow(expect.objectContaining({ reason: "frame-size" }));
    expect(() => assertClipSize(size)).toThrow(message);
  });
});
