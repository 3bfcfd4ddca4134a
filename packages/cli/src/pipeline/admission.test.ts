import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chosenSettings } from "@retake/coordinator/settings";
import { type ModelFiles, openModelFiles } from "@retake/gpu-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { admitted } from "./admission.js";
import { leastBytes, type PlannedWork, planOf } from "./plan.js";

const demo = fileURLToPath(new URL("../../../../models/demo", import.meta.url));
let files: ModelFiles;
let cacheDir = "";
beforeAll(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), "retake-admission-"));
  files = await openModelFiles({ source: demo, cacheDir });
});
afterAll(() => rm(cacheDir, { recursive: true, force: true }));

const settings = chosenSettings({ steps: 10, draws: 2, ddim: 20 }, {}, { threads: 1 });
const work: PlannedWork = {
  job: { command: "edit", prompts: ["a", "b"], stop: "steps" },
  ...{ settings, size: { width: 64, height: 64 } },
};
const counts = (given: PlannedWork): Readonly<Record<string, number>> =>
  Object.fromEntries(planOf(files, given).phases.map(({ phase, count }) => [phase, count]));

describe("planOf", () => {
  it("counts every pass of an edit", () => {
    const edit = { prompts: 4, encode: 8, tune: 20, invert: 20, sample: 80, frames: 16 };
    expect(counts(work)).toEqual(edit);
  });

  it("counts what the settings spare", () => {
    const spared = { ...settings, steps: 0, guidance: 1, strength: 0.5, batch: 3 };
    expect(counts({ ...work, settings: spared })).toEqual({
      ...{ prompts: 4, encode: 3, invert: 10, sample: 20, frames: 6 },
    });
    expect(counts({ ...work, job: { command: "tune", prompts: [], stop: "steps" } })).toEqual({
      ...{ prompts: 2, encode: 8, tune: 20 },
    });
    expect(counts({ ...work, job: { command: "invert", prompts: [], stop: "steps" } })).toEqual({
      ...{ prompts: 2, encode: 8, invert: 20 },
    });
  });

  it("counts the looks at a tuning that ends where it is best", () => {
    const job = { ...work.job, stop: "auto" as const };
    // After 0, 1, 3, 5 and 10 steps: ten passes to invert, and twice as many to sample.
    expect(counts({ ...work, job })).toEqual({ ...counts(work), stop: 5 * 30 });
    const spared = { ...settings, steps: 1, ddim: 6, guidance: 1, strength: 0.5 };
    expect(counts({ ...work, job, settings: spared })["stop"]).toBe(2 * 6);
    expect(counts({ ...work, job: { ...job, command: "invert" } })["stop"]).toBeUndefined();
  });

  it("adds up the operations, and takes the memory of the widest phase", () => {
    const plan = planOf(files, work);
    const sum = plan.phases.reduce((total, { flops }) => total + flops, 0);
    const widest = Math.max(...plan.phases.map(({ memoryBytes }) => memoryBytes));
    expect(plan.flops).toBe(sum);
    expect(plan.memoryBytes - widest).toBe(300e6);
  });
});

describe("admitted", () => {
  it("does not measure what is small anyway", () => {
    expect(admitted(files, work, 20e9)).toBeUndefined();
  });

  it("admits what just fits, and refuses what just does not", () => {
    const { memoryBytes } = planOf(files, work);
    expect(admitted(files, work, memoryBytes)?.memoryBytes).toBe(memoryBytes);
    expect(() => admitted(files, work, memoryBytes - 1)).toThrow(
      expect.objectContaining({ reason: "memory-short" }),
    );
  });

  it("names the first smaller job that fits", () => {
    const { memoryBytes } = planOf(files, work);
    const low = planOf(files, { ...work, settings: { ...settings, memory: "low" } }).memoryBytes;
    expect(low).toBeLessThan(memoryBytes);
    expect(() => admitted(files, work, low)).toThrow("; --memory low would fit");
    expect(() => admitted(files, work, low - 1)).toThrow("--memory low --frames 4 would fit");
    expect(() => admitted(files, work, 1e6)).toThrow("take fewer and smaller frames");
  });

  it("refuses what is absurd without looking at it", () => {
    const absurd = { ...work, size: { width: 4096, height: 4096 } };
    const least = leastBytes(files, absurd);
    expect(least).toBe(300e6 + 8 * 1024 * 1024 * 32 * 4);
    expect(() => admitted(files, absurd, least - 1)).toThrow("expected at least 1.4 GB");
  });
});
