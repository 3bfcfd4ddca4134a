import { describe, expect, it } from "vitest";
import { smallUNet } from "../testing/small-configs.js";
import { noiseOf, randomScope } from "../testing/tensors.js";
import { unetTensors } from "../unet/tensors.js";
import { unet } from "../unet/unet.js";
import { assertShard, consecutiveRanges, equalParts, framesOfShard } from "./frame-shard.js";

describe("consecutiveRanges", () => {
  it("puts ranges one behind the other", () => {
    const ranges = [
      { begin: 0, end: 2 },
      { begin: 2, end: 2 },
      { begin: 2, end: 5 },
    ];
    expect(consecutiveRanges([2, 0, 3])).toEqual(ranges);
    expect(consecutiveRanges([])).toEqual([]);
  });
});

describe("equalParts", () => {
  it("makes parts that differ by one at most, and leave nothing out", () => {
    expect(equalParts(8, { parts: 3 })).toEqual([3, 3, 2]);
    expect(equalParts(1, { parts: 2 })).toEqual([1, 0]);
    for (let count = 0; count < 20; count += 1) {
      for (let parts = 1; parts < 6; parts += 1) {
        const sizes = equalParts(count, { parts });
        expect(sizes.reduce((a, b) => a + b, 0)).toBe(count);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThan(2);
      }
    }
  });
});

describe("framesOfShard", () => {
  it("is the rank's place in the clip", () => {
    expect(framesOfShard({ rank: 1, frameCounts: [3, 2] })).toEqual({ begin: 3, end: 5 });
    expect(() => framesOfShard({ rank: 2, frameCounts: [3, 2] })).toThrow("one of 2 ranks, got 2");
  });
});

describe("assertShard", () => {
  it("takes ranks that have all frames of one clip between them, and nothing else", () => {
    const check = (frameCounts: number[], batch = 1, frames = 5) => {
      return () => assertShard({ rank: 0, frameCounts }, { batch, frames });
    };
    expect(check([3, 2])).not.toThrow();
    expect(check([1, 1, 1, 1, 1])).not.toThrow();
    for (const counts of [[5], [3, 3], [5, 0], [6, -1], [2.5, 2.5]]) {
      expect(check(counts), `${counts}`).toThrow("shard: expected 5 frames of one clip");
    }
    expect(check([3, 2], 2)).toThrow("got [3,2] of 2");
  });
});

describe("unet with a shard", () => {
  it("is refused where nobody exchanges: it would be another model", () => {
    const scope = randomScope(unetTensors(smallUNet));
    const shard = { rank: 0, frameCounts: [1, 1] };
    const given = { prompt: noiseOf([1, 3, 6], 2), timestepSinusoid: noiseOf([2, 4], 3), shard };
    const call = () => unet(scope, smallUNet, { ...given, latents: noiseOf([1, 4, 2, 4, 4]) });
    expect(call).toThrow("expected an engine that exchanges frames");
  });
});
