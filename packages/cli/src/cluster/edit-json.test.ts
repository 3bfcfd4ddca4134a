import { Edit, EditSpec } from "@retake/wire/edit";
import { describe, expect, it } from "vitest";
import { editJson, editLine, editPage, isEnded } from "./edit-json.js";

const progress = { done: 3, total: 9 };
const edit: Edit = {
  ...Edit.fromPartial({ id: "e1", state: "EDIT_STATE_RUNNING", phase: "PHASE_TUNE", progress }),
  ...{ reason: "tuning begins", committedSteps: 3, weightsHash: "w" },
  spec: EditSpec.fromPartial({ sourcePrompt: "a car", settings: { steps: 9 } }),
  results: [{ prompt: "a horse", progress: { done: 1, total: 2 }, framesFinished: 4 }],
  files: [{ name: "a.mp4", artifactId: "f", sizeBytes: 5 }],
  layouts: [
    {
      ...{ phase: "PHASE_SAMPLE", layout: "LAYOUT_BRANCHES", nodeIds: ["a", "b"], promptIndex: 0 },
      ...{ predictedMs: 4000, measuredMs: 4200, reason: "one was slower" },
    },
    {
      ...{ phase: "PHASE_DECODE", layout: "LAYOUT_VAE_FRAMES", nodeIds: ["a"] },
      ...{ predictedMs: 0, measuredMs: 0, reason: "none measured", promptIndex: undefined },
    },
  ],
};

describe("editJson", () => {
  it("has plain words, and ids by their names", () => {
    expect(editJson(edit)).toMatchObject({
      ...{ id: "e1", state: "running", phase: "tune", progress: { done: 3, total: 9 } },
      ...{ failure: null, source: "a car", settings: { steps: 9 }, committedSteps: 3 },
      prompts: [{ prompt: "a horse", progress: { done: 1, total: 2 }, framesFinished: 4 }],
      files: [{ name: "a.mp4", sha256: "f", bytes: 5 }],
      layouts: [
        { phase: "sample", layout: "branches", promptIndex: 0, measuredMs: 4200 },
        { phase: "decode", layout: "vae-frames", promptIndex: null },
      ],
    });
  });
});

describe("editLine", () => {
  it("says where an edit is, until it has ended", () => {
    expect(editLine(edit)).toBe("e1 running tune 3/9: tuning begins");
    const ended = { ...edit, state: "EDIT_STATE_FAILED" as const, reason: "failed: x" };
    expect(editLine(ended)).toBe("e1 failed: failed: x");
  });
});

describe("editPage", () => {
  it("names the failure with its reason", () => {
    const failure = { code: "INTERNAL", reason: "bug", message: "it broke" };
    expect(editPage({ ...edit, failure })).toContain("it broke (bug)");
    expect(editPage(edit)).toContain("3 of 9 steps");
  });

  it("says how each phase was divided, what was predicted and what it took", () => {
    const lines = editPage(edit).split("\n");
    expect(lines.filter((line) => line.startsWith("layout")).join("\n")).toMatch(
      new RegExp(
        "sample of prompt 0: branches on a, b; predicted 4\\S* s, took 4\\S* s; one was slower\n" +
          ".*decode: vae-frames on a; not predicted, runs; none measured",
      ),
    );
  });
});

describe("isEnded", () => {
  it("knows the four ends", () => {
    const states = ["QUEUED", "RUNNING", "PAUSED", "CANCELING", "SUCCEEDED", "FAILED"] as const;
    const more = [...states, "CANCELED", "EXPIRED"] as const;
    const ended = more.filter((name) => isEnded({ state: `EDIT_STATE_${name}` }));
    expect(ended).toEqual(["SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"]);
  });
});
