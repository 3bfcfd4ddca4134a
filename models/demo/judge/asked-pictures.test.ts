import { describe, expect, it } from "vitest";
import { captionOf, isClashing, isHeldOut, isUnseen } from "../world/vocabulary.js";
import { askedPictures } from "./asked-pictures.js";

describe("askedPictures", () => {
  const pictures = askedPictures(1, { count: 64 });

  it("asks for a held-out combination every second time, and for a tint in half of either", () => {
    for (const [index, { content, isHeldOut: isMarked }] of pictures.entries()) {
      expect([isHeldOut(content), isMarked]).toEqual([index % 2 === 0, index % 2 === 0]);
      expect(content.colour !== null).toBe(index % 4 < 2);
    }
  });

  it("asks for nothing twice, unseen, or that cannot be told apart", () => {
    expect(new Set(pictures.map(({ content }) => captionOf(content))).size).toBe(64);
    expect(pictures.filter(({ content }) => isUnseen(content) || isClashing(content))).toEqual([]);
  });

  it("asks for the same by the same seed, and for other things by another", () => {
    expect(askedPictures(1, { count: 8 })).toEqual(pictures.slice(0, 8));
    expect(askedPictures(2, { count: 8 })).not.toEqual(pictures.slice(0, 8));
  });

  it("says how many there are where more are wanted", () => {
    expect(() => askedPictures(1, { count: 10_000 })).toThrow(/expected at most \d+ of them/);
  });
});
