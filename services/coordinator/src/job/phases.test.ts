import { describe, expect, it } from "vitest";
import type { Artifacts, EditRecord, Task } from "./edit-record.js";
import { phaseOf, startableUnits } from "./phases.js";
import { aRecord } from "./testing/an-edit.js";

const done = { done: 3, total: 3, artifactId: "x" };
const half = { done: 1, total: 3, artifactId: "x" };
const task = (kind: Task["kind"], change: Partial<Task> = {}): Task => ({
  ...{ id: "e-1", kind, attempt: 1, epoch: 1, nodeId: "a", incarnation: "a1", promptIndex: -1 },
  ...{ frames: { begin: 0, end: 4 }, helps: "", startedMs: 1, ...change },
});
const at = (artifacts: Partial<Artifacts>, tasks: readonly Task[] = [], steps = 2): EditRecord =>
  aRecord({ artifacts, tasks, settings: { steps, frames: 4 }, prompts: ["p", "q"] });
const kinds = (record: EditRecord) =>
  startableUnits(record).map(({ kind, promptIndex }) => `${kind} ${promptIndex}`);
const moments = [{ frames: { begin: 0, end: 4 }, artifactId: "m" }];
const tuned = { clip: "c", moments, delta: "d" };

describe("startableUnits", () => {
  it("goes from phase to phase, one after another where one needs the other", () => {
    expect(kinds(at({}))).toEqual(["ingest -1"]);
    expect(kinds(at({ clip: "c" }))).toEqual(["encode -1"]);
    expect(kinds(at({ clip: "c", moments }))).toEqual(["tune -1"]);
    expect(kinds(at({ clip: "c", moments }, [], 0))).toEqual(["invert -1"]);
    expect(kinds(at({ ...tuned }))).toEqual(["invert -1"]);
    expect(kinds(at({ ...tuned, inverted: half }))).toEqual(["invert -1"]);
    expect(kinds(at({ ...tuned, inverted: done }))).toEqual(["sample 0", "sample 1"]);
  });

  it("begins nothing that is under way", () => {
    expect(kinds(at({}, [task("ingest")]))).toEqual([]);
    const sampling = [task("sample", { promptIndex: 0 })];
    expect(kinds(at({ ...tuned, inverted: done }, sampling))).toEqual(["sample 1"]);
  });

  it("encodes the frames that nobody has or makes", () => {
    const part = (begin: number, end: number) => ({ frames: { begin, end }, artifactId: "m" });
    const encoding = [task("encode", { frames: { begin: 1, end: 2 } })];
    const units = startableUnits(at({ clip: "c", moments: [part(2, 3)] }, encoding));
    expect(units.map(({ kind, frames }) => [kind, frames.begin, frames.end])).toEqual([
      ["encode", 0, 1],
      ["encode", 3, 4],
    ]);
    expect(kinds(at({ clip: "c", moments: [part(0, 2), part(2, 4)] }))).toEqual(["tune -1"]);
  });

  it("decodes the frames of a pass together", () => {
    const artifacts = { ...tuned, inverted: done, sampled: [done, done] };
    const frames = [
      ["a", "", "c", "d"],
      ["a", "b", "c", "d"],
    ];
    const record = { ...at({ ...artifacts, frames }), framesPerPass: 2 };
    const units = startableUnits(record);
    expect(units.map(({ frames: range }) => [range.begin, range.end])).toEqual([[0, 2]]);
  });

  it("samples again where only a helper is left", () => {
    const helping = [task("sample", { promptIndex: 0, helps: "e-0" })];
    expect(kinds(at({ ...tuned, inverted: done }, helping))).toEqual(["sample 0", "sample 1"]);
  });

  it("decodes the frames that nobody has or makes, before it samples on", () => {
    const artifacts = {
      ...{ ...tuned, inverted: done, sampled: [done, half] },
      frames: [
        ["", "b", "", ""],
        ["", "", "", ""],
      ],
    };
    const decoding = [task("decode", { promptIndex: 0, frames: { begin: 3, end: 4 } })];
    const units = startableUnits(at(artifacts, decoding));
    expect(units.map(({ kind, frames }) => [kind, frames.begin, frames.end])).toEqual([
      ["decode", 0, 1],
      ["decode", 2, 3],
      ["sample", 0, 4],
    ]);
  });

  it("publishes when every frame of every prompt is there, and only then", () => {
    const frames = [
      ["a", "b", "c", "d"],
      ["a", "b", "c", "d"],
    ];
    const all = { ...tuned, inverted: done, sampled: [done, done], frames };
    expect(kinds(at(all))).toEqual(["publish -1"]);
    expect(phaseOf(at(all))).toBe("publish");
    const but = { ...all, frames: [frames[0] ?? [], ["a", "b", "c", ""]] };
    expect(kinds(at(but))).toEqual(["decode 1"]);
    expect(phaseOf(at(but))).toBe("decode");
  });
});
