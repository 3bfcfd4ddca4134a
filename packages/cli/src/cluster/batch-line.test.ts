import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BadLine, type BatchLine, batchLines, requestIdOf } from "./batch-line.js";
import type { EditToSubmit } from "./edit-to-submit.js";

const defaults: EditToSubmit = {
  ...{ source: "a car", prompts: [], negative: "", model: "", priority: 2, layout: "auto" },
  ...{ settings: { seed: 5, steps: 10 }, snapshotEverySteps: 0 },
  ...{ startWithinMs: 0, finishWithinMs: 0 },
};
const read = (text: string): readonly (BatchLine | BadLine)[] =>
  batchLines(text, { defaults, folder: "/clips" });

function only(text: string): BatchLine {
  const [line] = read(text);
  if (line === undefined || "error" in line) throw line?.error ?? new Error("no line");
  return line;
}

describe("batchLines", () => {
  it("takes what a line says, and else what the command line says", () => {
    const text = JSON.stringify({
      ...{ id: "bus", clip: "a.mp4", prompts: ["a bus", "a ship"], settings: { seed: 7 } },
    });
    expect(only(text)).toEqual({
      ...{ line: 1, id: "bus", clipPath: "/clips/a.mp4" },
      edit: { ...defaults, prompts: ["a bus", "a ship"], settings: { seed: 7, steps: 10 } },
    });
  });

  it("counts lines as the file does, and leaves out empty ones", () => {
    const line = '{"clip": "/b.mp4", "prompt": "a bus"}';
    const ids = read(`\n${line}\r\n\n${line}\n`).map(({ id, line: at }) => [id, at]);
    expect(ids).toEqual([
      ["line-2", 2],
      ["line-4", 4],
    ]);
  });

  it.each([
    ["{", "file-malformed"],
    ["[]", "file-malformed"],
    ['{"clip": "a.mp4", "prompt": "x", "stepps": 3}', "file-malformed"],
    ['{"clip": "a.mp4", "prompt": "x", "settings": {"stepps": 3}}', "file-malformed"],
    ['{"clip": "a.mp4", "prompt": "x", "settings": {"steps": -3}}', "bad-option"],
    ['{"clip": "a.mp4"}', "prompt-empty"],
    ['{"prompt": "x"}', "bad-option"],
    ['{"clip": "a.mp4", "prompt": 5}', "bad-option"],
    ['{"clip": "a.mp4", "prompt": "x", "prompts": ["y"]}', "bad-option"],
    ['{"clip": "a.mp4", "prompt": "x", "priority": 99}', "bad-option"],
    ['{"clip": "a.mp4", "prompt": "x", "layout": "none"}', "bad-option"],
    ['{"id": "../x", "clip": "a.mp4", "prompt": "x"}', "bad-option"],
  ])("says why a line cannot be used: %s", (text, reason) => {
    const good = '{"id": "good", "clip": "a.mp4", "prompt": "a bus"}';
    const [bad, next] = read(`${text}\n${good}`);
    expect(bad).toMatchObject({ line: 1, error: { reason } });
    expect(next).toMatchObject({ line: 2, id: "good" });
  });

  it("refuses the second of two edits with one id", () => {
    const line = '{"id": "one", "clip": "a.mp4", "prompt": "a bus"}';
    expect(read(`${line}\n${line}`)).toMatchObject([
      { id: "one" },
      { error: { reason: "bad-option" } },
    ]);
  });

  it("reads any text without a fault of its own", () => {
    const texts = fc.oneof(
      fc.string(),
      fc.json(),
      fc.json().map((json) => `{"clip":${json}}`),
    );
    fc.assert(
      fc.property(fc.array(texts), (lines) => {
        for (const line of read(lines.join("\n"))) {
          if ("error" in line) expect(line.error.reason).not.toBe("bug");
        }
      }),
      { numRuns: Number(process.env["RETAKE_CASES"] ?? 1000) },
    );
  });
});

describe("requestIdOf", () => {
  it("is the same for the same edit, wherever it stands and however it is written", () => {
    const one = only('{"id": "x", "clip": "a.mp4", "prompt": "a bus", "settings": {"rate": 1e-3}}');
    const two = only(
      '\n{"settings": {"rate": 0.001}, "prompts": ["a bus"], "id": "x", "clip": "b.mp4"}',
    );
    expect(requestIdOf(one, "video")).toBe(requestIdOf(two, "video"));
    expect(requestIdOf(one, "other")).not.toBe(requestIdOf(one, "video"));
    const other = { ...one, edit: { ...one.edit, negative: "rain" } };
    expect(requestIdOf(other, "video")).not.toBe(requestIdOf(one, "video"));
  });
});
