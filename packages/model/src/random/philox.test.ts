import { describe, expect, it } from "vitest";
import { type PhiloxCounter, type PhiloxKey, writePhiloxBlock } from "./philox.js";

const wordsOf = (counter: PhiloxCounter, key: PhiloxKey): string[] => {
  const words = new Uint32Array(4);
  writePhiloxBlock(words, 0, { counter, key });
  return Array.from(words, (word) => word.toString(16).padStart(8, "0"));
};
const ones = 0xffffffff;

describe("writePhiloxBlock", () => {
  // Known answers of the authors' library Random123, file kat_vectors, lines "philox4x32 10".
  it.each<[PhiloxCounter, PhiloxKey, string]>([
    [[0, 0, 0, 0], [0, 0], "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
    [[ones, ones, ones, ones], [ones, ones], "408f276d 41c83b0e a20bc7c6 6d5451fd"],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      "d16cfe09 94fdcceb 5001e420 24126ea1",
    ],
  ])("gives the published words for counter %j", (counter, key, words) => {
    expect(wordsOf(counter, key).join(" ")).toBe(words);
  });

  it("takes signed words as the unsigned ones of the same bits", () => {
    expect(wordsOf([-1, -1, -1, -1], [-1, -1])).toEqual(
      wordsOf([ones, ones, ones, ones], [ones, ones]),
    );
  });

  it("writes at the offset and nowhere else", () => {
    const words = new Uint32Array(6);
    writePhiloxBlock(words, 1, { counter: [0, 0, 0, 0], key: [0, 0] });
    expect([words[0], words[1], words[5]]).toEqual([0, 0x6627e8d5, 0]);
  });
});
