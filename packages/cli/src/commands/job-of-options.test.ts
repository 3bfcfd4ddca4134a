import { describe, expect, it } from "vitest";
import { defaultOut, jobOfOptions } from "./job-of-options.js";

const options = { source: "a car", prompt: ["a horse"], model: "m" };

describe("jobOfOptions", () => {
  it("is what was given, and nothing that was not", () => {
    const job = jobOfOptions("edit", "in/clip.mp4", { ...options, steps: 3, stretch: true });
    expect(job).toMatchObject({
      ...{ command: "edit", clipPath: "in/clip.mp4", source: "a car", prompts: ["a horse"] },
      ...{ negative: "", given: { steps: 3, fit: "stretch" }, outPath: "out/clip" },
      ...{ useCache: true, resume: false, dryRun: false, snapshotEvery: 50, stop: "steps" },
      model: { source: "m", revision: undefined, offline: false },
    });
  });

  it("wants what its command needs", () => {
    expect(jobOfOptions("invert", "c.mp4", { model: "m" }).prompts).toEqual([]);
    expect(jobOfOptions("tune", "c.mp4", { model: "m", source: "a" }).source).toBe("a");
    const reasons = { reason: "prompt-empty" };
    expect(() => jobOfOptions("tune", "c.mp4", { model: "m" })).toThrow(
      expect.objectContaining(reasons),
    );
    expect(() => jobOfOptions("sample", "c.mp4", { model: "m" })).toThrow(
      expect.objectContaining(reasons),
    );
    expect(() => jobOfOptions("invert", "c.mp4", {})).toThrow("--model: expected");
  });
});

describe("defaultOut", () => {
  it("is named for the clip", () => {
    expect([defaultOut("a/b.c.mp4"), defaultOut(".mp4"), defaultOut("")]).toEqual([
      ...["out/b.c", "out/.mp4", "out/clip"],
    ]);
  });
});
