import { describe, expect, it } from "vitest";
import type { TaskProgress } from "../tasks/task-control.js";
import {
  counted,
  type FakeProgram,
  fakeEngine,
  fakeModel,
  filled,
  inputValues,
} from "../testing/fake-model.js";
import { latentsError } from "./latents-error.js";
import { type ReconstructInput, reconstruct, reconstructIterations } from "./reconstruct.js";

const shape = [1, 4, 2, 1, 2];

/** Noise that a prompt raises by its own value, wherever the latents are. */
const raised: FakeProgram = (spec, inputs) => {
  if (spec.kind !== "unet") throw new Error(`not a program for ${spec.kind}`);
  const [raise = 0] = inputValues(inputs, "prompt");
  return { predictedNoise: filled([spec.shape.batch, ...shape.slice(1)], raise) };
};

const input = (sentence: number): ReconstructInput => ({
  ...{ latents: counted(shape), prompt: filled([1, 4, 4], sentence) },
  ...{ emptyPrompt: filled([1, 4, 4], 0), tensors: async () => ({}) },
  ...{ samplingCount: 10, guidanceScale: 3, strength: 0.5 },
});

describe("reconstruct", () => {
  it("gives the clip back where its sentence says nothing new", async () => {
    const back = await reconstruct(fakeModel(fakeEngine(raised)), input(0));
    expect(back.shape).toEqual(shape);
    expect(latentsError(back, input(0).latents)).toBeLessThan(1e-9);
  });

  it("is further from the clip the more its sentence says", async () => {
    const errors = [];
    for (const sentence of [0.1, 0.2]) {
      const back = await reconstruct(fakeModel(fakeEngine(raised)), input(sentence));
      errors.push(latentsError(back, input(sentence).latents));
    }
    const [little = 0, much = 0] = errors;
    expect(little).toBeGreaterThan(1e-6);
    expect(much / little).toBeCloseTo(4, 2);
  });

  it("inverts with one pass an iteration and samples with two, and tells of both", async () => {
    const engine = fakeEngine(raised);
    const told: TaskProgress[] = [];
    const onProgress = (progress: TaskProgress): void => void told.push(progress);
    await reconstruct(fakeModel(engine), input(0), { onProgress });
    expect(engine.runs.length).toBe(5 + 2 * 5);
    expect([told[0], told.at(-1)]).toEqual([
      { done: 0, total: 10 },
      { done: 10, total: 10 },
    ]);
    expect(told.every(({ done }, at) => done >= (told[at - 1]?.done ?? 0))).toBe(true);
  });
});

describe("reconstructIterations", () => {
  it("is ten, or as many as the edits take where they take fewer", () => {
    expect([1, 9, 10, 11, 50].map(reconstructIterations)).toEqual([1, 9, 10, 10, 10]);
  });
});
