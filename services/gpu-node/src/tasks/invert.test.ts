import { impliedLatents, samplingTimesteps } from "@retake/model/diffusion";
import { describe, expect, it } from "vitest";
import { counted, type FakeProgram, fakeEngine, fakeModel, filled } from "../testing/fake-model.js";
import { float32Values, hostTensor } from "./host-tensors.js";
import { invert } from "./invert.js";
import { sample } from "./sample.js";
import type { TaskProgress } from "./task-control.js";

const shape = [1, 4, 2, 1, 2];
const prompt = filled([1, 4, 4], 0);

/** Always the same noise: then DDIM upwards and downwards are exact inverses of each other. */
const constantNoise: FakeProgram = (spec) => {
  if (spec.kind !== "unet") throw new Error(`not a program for ${spec.kind}`);
  return { predictedNoise: counted([spec.shape.batch, ...shape.slice(1)], -3) };
};

describe("invert", () => {
  it("visits the timesteps upwards, one pass each, and tells the latents of each", async () => {
    const engine = fakeEngine(constantNoise);
    const seen: Float32Array[] = [];
    const last = await invert(fakeModel(engine), {
      ...{
        latents: counted(shape),
        emptyPrompt: prompt,
        tensors: async () => ({}),
        samplingCount: 5,
      },
      onLatents: (latents) => void seen.push(latents),
    });
    expect([engine.runs.length, seen.length]).toEqual([5, 5]);
    expect(last.data).toBe(seen.at(-1));
  });

  it.each([1, 0.4])(
    "is undone by sampling without guidance, with strength %f",
    async (strength) => {
      const model = fakeModel(fakeEngine(constantNoise));
      const latents = counted(shape);
      const shared = { tensors: async () => ({}), samplingCount: 10, strength };
      const noise = await invert(model, { ...shared, latents, emptyPrompt: prompt });
      const back = await sample(model, {
        ...{ ...shared, latents: noise, prompt, without: prompt, guidanceScale: 1 },
      });
      for (const [i, value] of float32Values(back).entries()) {
        expect(value).toBeCloseTo(latents.data[i] ?? 0, 4);
      }
    },
  );

  it("goes all the way with strength 1, to the bits that it has without one", async () => {
    const engine = fakeEngine(constantNoise);
    const input = {
      ...{ latents: counted(shape), emptyPrompt: prompt, tensors: async () => ({}) },
      samplingCount: 10,
    };
    const whole = await invert(fakeModel(engine), input);
    expect(engine.runs.length).toBe(10);
    expect(await invert(fakeModel(engine), { ...input, strength: 1 })).toEqual(whole);
    expect(await invert(fakeModel(engine), { ...input, strength: 0.9 })).not.toEqual(whole);
  });

  it("goes up part of the way with less strength", async () => {
    const engine = fakeEngine(constantNoise);
    const model = fakeModel(engine);
    const input = {
      latents: counted(shape),
      emptyPrompt: prompt,
      tensors: async () => ({}),
      samplingCount: 10,
    };
    const { data } = await invert(model, { ...input, strength: 0.35 });
    expect(engine.runs.length).toBe(3);
    // At its last timestep, the noise and the clean latents are what the schedule says.
    const { schedule } = model.files;
    const [timestep = 0] = samplingTimesteps(schedule, 10).slice(-3);
    const prediction = float32Values(counted(shape, -3));
    const step = { latents: float32Values(hostTensor(shape, Float32Array.from(data))), prediction };
    const clean = impliedLatents(schedule, { ...step, timestep, samplingCount: 10 });
    expect(clean[1]).toBeCloseTo(clean[0] === undefined ? 0 : clean[0] + 1, 4);
  });

  it.each([0, 2, 5])("goes on after %i iterations to the same bits", async (done) => {
    const engine = fakeEngine(constantNoise);
    const input = {
      ...{
        latents: counted(shape),
        emptyPrompt: prompt,
        tensors: async () => ({}),
        samplingCount: 5,
      },
    };
    const seen: Float32Array[] = [float32Values(input.latents)];
    const whole = await invert(fakeModel(engine), {
      ...input,
      onLatents: (latents) => void seen.push(latents),
    });
    engine.runs.length = 0;
    const told: TaskProgress[] = [];
    const latents = hostTensor(shape, seen[done] ?? new Float32Array());
    const rest = await invert(
      fakeModel(engine),
      { ...input, resume: { done, latents } },
      { onProgress: (progress) => told.push(progress) },
    );
    expect(rest.data).toEqual(whole.data);
    expect(engine.runs.length).toBe(5 - done);
    expect([told[0], told.at(-1)]).toEqual([
      { done, total: 5 },
      { done: 5, total: 5 },
    ]);
  });

  it("refuses to go on from other latents, or beyond the end", async () => {
    const model = fakeModel(fakeEngine(constantNoise));
    const input = {
      ...{
        latents: counted(shape),
        emptyPrompt: prompt,
        tensors: async () => ({}),
        samplingCount: 5,
      },
    };
    for (const resume of [
      { done: 6, latents: counted(shape) },
      { done: -1, latents: counted(shape) },
      { done: 0.5, latents: counted(shape) },
      { done: 1, latents: counted([1, 4, 1, 1, 2]) },
    ]) {
      const work = invert(model, { ...input, resume });
      await expect(work).rejects.toMatchObject({ reason: "bad-option" });
    }
  });

  it("waits for whoever takes the latents, before the next iteration", async () => {
    const engine = fakeEngine(constantNoise);
    const runsSeen: number[] = [];
    await invert(fakeModel(engine), {
      ...{
        latents: counted(shape),
        emptyPrompt: prompt,
        tensors: async () => ({}),
        samplingCount: 3,
      },
      onLatents: async () => {
        await Promise.resolve();
        runsSeen.push(engine.runs.length);
      },
    });
    expect(runsSeen).toEqual([1, 2, 3]);
  });

  it("refuses counts and strengths out of range", async () => {
    const model = fakeModel(fakeEngine(constantNoise));
    const input = {
      latents: counted(shape),
      emptyPrompt: prompt,
      tensors: async () => ({}),
      samplingCount: 5,
    };
    for (const wrong of [{ samplingCount: 0 }, { samplingCount: 101 }, { strength: 0 }]) {
      const work = invert(model, { ...input, ...wrong });
      await expect(work).rejects.toMatchObject({ reason: "bad-option" });
    }
  });
});
