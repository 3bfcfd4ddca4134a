import { describe, expect, it } from "vitest";
import { demoCases } from "./demo-cases.js";
import { heldOutCases, unseenCases } from "./edits.js";
import { isClashing, isHeldOut, isUnseen } from "./vocabulary.js";

const heldOut = heldOutCases(2, { count: 24 });
const unseen = unseenCases(2, { count: 24 });

describe("heldOutCases", () => {
  it("shows another held-out combination in each clip", () => {
    expect(heldOut.every(({ content }) => isHeldOut(content))).toBe(true);
    expect(new Set(heldOut.map(({ content }) => JSON.stringify(content))).size).toBe(24);
  });

  it("changes in each edit what the edit is named for, and nothing else", () => {
    for (const { content, edits } of [...heldOut, ...unseen, ...demoCases]) {
      for (const { kind, content: shown } of edits) {
        expect(shown[kind]).not.toBe(content[kind]);
        expect({ ...shown, [kind]: content[kind] }).toEqual(content);
        expect(isClashing(shown)).toBe(false);
      }
    }
  });

  it("edits towards what training knows", () => {
    for (const { edits } of heldOut) {
      expect(edits.some(({ content }) => isUnseen(content))).toBe(false);
    }
  });
});

describe("unseenCases", () => {
  it("holds as many clips with an unseen subject, place and colour", () => {
    expect(unseen.every(({ content }) => isUnseen(content))).toBe(true);
    for (const kind of ["subject", "place", "colour"]) {
      expect(unseen.filter((one) => one.unseen === kind)).toHaveLength(8);
    }
  });

  it("asks of the edits of other kinds that the unseen part stays", () => {
    for (const { unseen: part, edits } of unseen) {
      for (const { kind, content } of edits) expect(isUnseen(content)).toBe(kind !== part);
    }
  });
});

describe("demoCases", () => {
  it("shows what training has held out", () => {
    expect(demoCases.map(({ content }) => isHeldOut(content))).toEqual([true, true, true]);
  });
});
