import { describe, expect, it } from "vitest";
import { editFileName } from "./edit-file-name.js";

describe("editFileName", () => {
  it.each([
    ["A horse, running!", "1-a-horse-running.mp4"],
    ["../../etc/passwd", "1-etc-passwd.mp4"],
    ["café à Paris", "1-cafe-a-paris.mp4"],
    ["馬が走る", "1.mp4"],
    ["--", "1.mp4"],
    [`${"a".repeat(47)} b`, `1-${"a".repeat(47)}.mp4`],
  ])("makes a plain name of %j", (prompt, name) => {
    expect(editFileName(prompt, 0)).toBe(name);
  });

  it("keeps equal prompts apart", () => {
    expect(editFileName("a", 0)).not.toBe(editFileName("a", 1));
  });
});
