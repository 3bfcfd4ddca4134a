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
};

describe("editJson", () => {
  it("has plain words, and ids by their names", () => {
    expect(editJson(edit)).toMatchObject({
      ...{ id: "e1", state: "running", phase: "tune", progress: { done: 3, total: 9 } },
      ...{ failure: null, source: "a car", settings: { steps: 9 }, committedSteps: 3 },
      prompts: [{ prompt: "a horse", progress: { done: 1, total: 2 }, framesFinished: 4 }],
      files: [{ name: "a.mp4", sha256: "f", bytes: 5 }],
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
});

describe("isEnded", () => {
  it("knows the four ends", () => {
    const states = ["QUEUED", "RUNNING", "PAUSED", "CANCELING", "SUCCEEDED", "FAILED"] as const;
    const more = [...states, "CANCELED", "EXPIRED"] as const;
    const ended = more.filter((name) => isEnded({ state: `EDIT_STATE_${name}` }));
    expect(ended).toEqual(["SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"]);
  });
});
