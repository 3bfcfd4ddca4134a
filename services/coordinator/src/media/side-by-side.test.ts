import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { frameOf } from "./clip.js";
import { decodeClip } from "./decode.js";
import { labelStripHeight } from "./label-strip.js";
import { probeVideo } from "./probe.js";
import { encodeSideBySide } from "./side-by-side.js";
import { smoothClip, temporaryFolder } from "./testing/generated-video.js";

const folder = await temporaryFolder();
const rate = { numerator: 10, denominator: 1 };
const clip = smoothClip({ frames: 3, height: 64, width: 64 });

describe("encodeSideBySide", () => {
  it("puts enlarged clips next to each other, each under its label", async () => {
    const path = join(folder, "a.mp4");
    const black = { ...clip, pixels: new Uint8Array(clip.pixels.length) };
    const tiles = [
      { clip, label: "a man is skiing" },
      { clip: black, label: "" },
    ];
    expect(await encodeSideBySide(tiles, { path, rate })).toEqual({ sound: "none" });
    const height = 256 + labelStripHeight;
    expect(await probeVideo(path)).toMatchObject({ width: 256 + 8 + 256, height, frames: 3 });
    const whole = await decodeClip(path, {
      ...{ start: { frame: 0 }, stride: 1, frames: 3, width: 520, height, fit: "stretch" },
    });
    const red = (x: number, y: number): number => frameOf(whole, 2)[(y * 520 + x) * 3] ?? -1;
    for (const [x, y] of [
      [10, 20],
      [30, 50],
      [63, 63],
    ] as const) {
      const wanted = frameOf(clip, 2)[(y * 64 + x) * 3] ?? 0;
      expect(Math.abs(red(x * 4 + 2, labelStripHeight + y * 4 + 2) - wanted)).toBeLessThan(12);
      expect(red(264 + x * 4, labelStripHeight + y * 4)).toBeLessThan(6);
    }
  });

  it("begins another row where one would be too wide", async () => {
    const path = join(folder, "rows.mp4");
    const wide = smoothClip({ frames: 1, height: 8, width: 2048 });
    const tiles = Array.from({ length: 3 }, () => ({ clip: wide, label: "wide" }));
    await encodeSideBySide(tiles, { path, rate });
    const row = 8 + labelStripHeight;
    expect(await probeVideo(path)).toMatchObject({ width: 2048, height: 3 * (row + 8) - 8 });
  });

  it("refuses clips that differ, and none", async () => {
    const path = join(folder, "no.mp4");
    const other = smoothClip({ frames: 2, height: 64, width: 64 });
    const tiles = [clip, other].map((one) => ({ clip: one, label: "" }));
    await expect(encodeSideBySide(tiles, { path, rate })).rejects.toThrow(
      "side by side: expected clips of [3, 64, 64, 3], got one of [2, 64, 64, 3]",
    );
    await expect(encodeSideBySide([], { path, rate })).rejects.toMatchObject({
      reason: "bad-option",
    });
  });
});
