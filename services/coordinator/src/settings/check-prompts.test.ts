import { RetakeError } from "@retake/errors";
import { describe, expect, it } from "vitest";
import { checkPrompts } from "./check-prompts.js";

const reasonOf = (given: Parameters<typeof checkPrompts>[0]): string | undefined => {
  try {
    checkPrompts(given);
  } catch (thrown) {
    if (thrown instanceof RetakeError) return thrown.reason;
  }
  return undefined;
};

describe("checkPrompts", () => {
  it("wants a source and a prompt where they are needed", () => {
    expect(reasonOf({ source: "a car", prompts: ["a horse"] })).toBeUndefined();
    expect(reasonOf({})).toBeUndefined();
    expect(reasonOf({ source: undefined })).toBe("prompt-empty");
    expect(reasonOf({ source: " \t" })).toBe("prompt-empty");
    expect(reasonOf({ prompts: [] })).toBe("prompt-empty");
    expect(reasonOf({ prompts: ["a", ""] })).toBe("prompt-empty");
  });

  it("takes 2000 characters and 64 prompts, and no more", () => {
    expect(reasonOf({ source: "x".repeat(2000) })).toBeUndefined();
    expect(reasonOf({ source: "x".repeat(2001) })).toBe("prompt-too-long");
    expect(reasonOf({ negative: "x".repeat(2001) })).toBe("prompt-too-long");
    expect(reasonOf({ prompts: Array(64).fill("a") })).toBeUndefined();
    expect(reasonOf({ prompts: Array(65).fill("a") })).toBe("bad-option");
  });

  it("lets nothing unwanted be empty", () => {
    expect(reasonOf({ negative: "" })).toBeUndefined();
  });
});
