import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { clipHash, frameOf } from "./clip.js";

const pixels = new Uint8Array(2 * 1 * 2 * 3).map((_, index) => index);
const clip = { pixels, frames: 2, height: 1, width: 2 };

describe("clipHash", () => {
  it("is SHA-256 of the axes and the bytes", () => {
    const expected = createHash("sha256").update("retake clip rgb8 [2, 1, 2, 3]\n").update(pixels);
    expect(clipHash(clip)).toBe(expected.digest("hex"));
  });

  it("tells clips of the same bytes and other axes apart", () => {
    expect(clipHash({ ...clip, height: 2, width: 1 })).not.toBe(clipHash(clip));
  });
});

describe("frameOf", () => {
  it("gives one frame of the clip's own memory", () => {
    expect([...frameOf(clip, 1)]).toEqual([6, 7, 8, 9, 10, 11]);
    expect(frameOf(clip, 1).buffer).toBe(pixels.buffer);
  });
});
