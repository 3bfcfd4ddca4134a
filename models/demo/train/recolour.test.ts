import { describe, expect, it } from "vitest";
import { recoloured } from "./recolour.js";
import type { PictureSet } from "./training-data.js";

const side = 2;
const count = 40;

/** Every picture has a channel of 0, 85, 170, 255, one of 10 and one of 200. */
function pictures(): PictureSet {
  const one = [0, 85, 170, 255, ...Array(4).fill(10), ...Array(4).fill(200)];
  return {
    ...{ count, side, promptTokens: 1 },
    pixels: Uint8Array.from(Array.from({ length: count }, () => one).flat()),
    boxes: new Float32Array(3 * count).map((_, i) => i),
    ids: new Int32Array(count),
  };
}

const channelsOf = ({ pixels }: PictureSet, index: number): readonly (readonly number[])[] =>
  [0, 1, 2].map((c) => [...pixels.subarray(12 * index + 4 * c, 12 * index + 4 * c + 4)]);

describe("recoloured", () => {
  it("gives every picture colours of its own, the same for the same seed", () => {
    const set = recoloured(pictures(), 7);
    expect(recoloured(pictures(), 7).pixels).toEqual(set.pixels);
    expect(recoloured(pictures(), 8).pixels).not.toEqual(set.pixels);
    const texts = Array.from({ length: count }, (_, i) => JSON.stringify(channelsOf(set, i)));
    expect(new Set(texts).size).toBe(count);
  });

  it("keeps what stands in a picture: even places stay even, and steps stay in their order", () => {
    const set = recoloured(pictures(), 7);
    for (let index = 0; index < count; index += 1) {
      const channels = channelsOf(set, index);
      const ramps = channels.filter((values) => new Set(values).size > 1);
      expect(ramps).toHaveLength(1);
      const [ramp = []] = ramps;
      const up = ramp.toSorted((a, b) => a - b);
      expect([up, up.toReversed()]).toContainEqual(ramp);
      expect(Math.max(...ramp) - Math.min(...ramp)).toBeGreaterThanOrEqual(75);
    }
  });

  it("turns some channels upside down, and leaves boxes and captions alone", () => {
    const set = recoloured(pictures(), 7);
    const falling = Array.from({ length: count }, (_, i) => channelsOf(set, i)).filter((channels) =>
      channels.some(([first = 0, , , last = 0]) => first > last),
    );
    expect(falling.length).toBeGreaterThan(0);
    expect(falling.length).toBeLessThan(count / 2);
    expect(set.boxes).toEqual(pictures().boxes);
  });
});
