import { describe, expect, it } from "vitest";
import { bytesOfPlanes, pixelPlanes } from "./clip-pixels.js";

// Two frames of one row and two pixels: black and white, then red and a grey.
const pixels = new Uint8Array([0, 0, 0, 255, 255, 255, 255, 0, 0, 51, 51, 51]);
const clip = { pixels, frames: 2, height: 1, width: 2 };

describe("pixelPlanes", () => {
  it("takes colours apart and brings bytes to -1...1", () => {
    const planes = pixelPlanes(clip, { first: 0, count: 2 });
    expect(planes.subarray(0, 6)).toEqual(new Float32Array([-1, 1, -1, 1, -1, 1]));
    const grey = Math.fround(51 / 127.5) - 1;
    expect(planes.subarray(6)).toEqual(new Float32Array([1, grey, -1, grey, -1, grey]));
  });

  it("takes the frames of a range only", () => {
    expect(pixelPlanes(clip, { first: 1, count: 1 })).toEqual(
      pixelPlanes(clip, { first: 0, count: 2 }).subarray(6),
    );
  });
});

describe("bytesOfPlanes", () => {
  it("gives back the bytes of pixelPlanes", () => {
    const all = Uint8Array.from({ length: 256 * 3 }, (_, i) => Math.floor(i / 3));
    const grey = { pixels: all, frames: 1, height: 16, width: 16 };
    const planes = pixelPlanes(grey, { first: 0, count: 1 });
    const bytes = bytesOfPlanes(planes, grey);
    // Cut down, not rounded: a value that lies a rounding error below a byte gives the one before.
    for (const [i, byte] of bytes.entries()) {
      expect([byte, byte + 1]).toContain(all[i]);
    }
  });

  it("cuts down instead of rounding, and clamps", () => {
    const value = (byte: number): number => (byte / 255) * 2 - 1;
    const planes = new Float32Array([value(100.9), -3, 7, value(100.9), value(0.99), value(254.9)]);
    const bytes = bytesOfPlanes(planes, { height: 1, width: 2 });
    expect([...bytes]).toEqual([100, 255, 0, 0, 100, 254]);
  });
});
