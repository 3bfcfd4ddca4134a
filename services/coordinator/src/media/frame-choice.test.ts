import { describe, expect, it } from "vitest";
import { assertFrameChoice, type Fit, filterChain, tooFewFrames } from "./frame-choice.js";

const choice = { start: { frame: 3 }, stride: 2, frames: 24 };
const wide = { width: 1920, height: 1080, pixelAspect: 1 };
const select = "select='gte(n,3)*not(mod(n-3,2))'";

describe("filterChain", () => {
  it.each<[Fit, string]>([
    ["stretch", "scale=256:256:flags=bicubic,format=rgb24"],
    ["crop", "crop=1080:1080,scale=256:256:flags=bicubic,format=rgb24"],
    [
      "letterbox",
      "scale=256:144:flags=bicubic,format=rgb24,pad=256:256:(ow-iw)/2:(oh-ih)/2:black,format=rgb24",
    ],
  ])("selects the frames, then fits them by %s", (fit, filters) => {
    const chain = filterChain(wide, choice, { width: 256, height: 256, fit });
    expect(chain).toBe(`${select},${filters}`);
  });

  it("crops the height of a tall source, and counts wide pixels as wide", () => {
    const tall = { width: 480, height: 960, pixelAspect: 1 };
    expect(filterChain(tall, choice, { width: 64, height: 64, fit: "crop" })).toContain(
      "crop=480:480,",
    );
    const anamorphic = { width: 480, height: 480, pixelAspect: 2 };
    expect(filterChain(anamorphic, choice, { width: 64, height: 64, fit: "crop" })).toContain(
      "crop=240:480,",
    );
  });

  it("never scales a thin source beyond the clip's size", () => {
    const thin = { width: 16_384, height: 8, pixelAspect: 1 };
    expect(filterChain(thin, choice, { width: 64, height: 64, fit: "crop" })).toContain(
      "crop=8:8,",
    );
    expect(filterChain(thin, choice, { width: 64, height: 64, fit: "letterbox" })).toContain(
      "scale=64:2:",
    );
  });
});

describe("assertFrameChoice", () => {
  it.each([
    { ...choice, start: { frame: -1 } },
    { ...choice, start: { frame: 0.5 } },
    { ...choice, start: { seconds: -1 } },
    { ...choice, start: { seconds: Number.NaN } },
    { ...choice, stride: 0 },
    { ...choice, frames: 0 },
    { ...choice, frames: 4097 },
    { ...choice, frames: Number.NaN },
  ])("refuses %j", (bad) => {
    expect(() => assertFrameChoice(bad)).toThrow(expect.objectContaining({ reason: "bad-option" }));
  });

  it("takes the largest clip", () => {
    assertFrameChoice({ start: { frame: 0 }, stride: 1, frames: 4096 });
  });
});

describe("tooFewFrames", () => {
  it("says how many there are, and what would fit", () => {
    expect(tooFewFrames("a.mp4", choice, 30).message).toBe(
      "a.mp4: expected 24 frames from frame 3 with stride 2, which takes 50, got 30;" +
        " ask for 14 frames, or for stride 1",
    );
  });

  it("offers no stride where none would do", () => {
    expect(tooFewFrames("a.mp4", choice, 8).message).toMatch(/got 8; ask for 3 frames$/);
  });

  it("offers an earlier start when the video ends before it", () => {
    expect(tooFewFrames("a.mp4", { ...choice, start: { frame: 90 } }, 60).message).toMatch(
      /got 60; start at frame 36 or before$/,
    );
    expect(tooFewFrames("a.mp4", { ...choice, start: { seconds: 9 } }, 0).message).toMatch(
      /got 0 after 9 s; start earlier$/,
    );
  });
});
