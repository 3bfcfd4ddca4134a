import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { testData } from "../testing/small-checkpoint.js";
import { cleanText } from "./clean-text.js";

const cases: [text: string, cleaned: string][] = JSON.parse(
  readFileSync(join(testData, "clean-text.json"), "utf8"),
);

/** Greek beside Greek that was decoded wrongly: the reference leaves the second word as it is. */
const isKnownDifference = (text: string): boolean => text.startsWith("Ελληνικά Î³");

describe("cleanText", () => {
  it.each(cases.filter(([text]) => !isKnownDifference(text)))(
    "makes of %j what the reference makes",
    (text, cleaned) => {
      expect(cleanText(text)).toBe(cleaned);
    },
  );

  it("is the same for what it made itself", () => {
    for (const [text] of cases.filter(
      ([text]) => !text.includes("&") && !text.includes("\u001b"),
    )) {
      const once = cleanText(text);
      expect(cleanText(once)).toBe(once);
    }
  });

  it("replaces halves of surrogate pairs", () => {
    expect(cleanText("a\ud83d b\ude00")).toBe("a\ufffd b\ufffd");
  });
});
