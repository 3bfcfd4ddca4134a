import { denoisedLatents, samplingTimesteps } from "@retake/model/diffusion";
import { describe, expect, it } from "vitest";
import {
  counted,
  type FakeProgram,
  fakeEngine,
  fakeModel,
  filled,
  inputValues,
} from "../testing/fake-model.js";
import { float32Values, hostTensor } from "./host-tensors.js";
import { checkSampling, type SampleInput, sample } from "./sample.js";

const shape = [1, 4, 1, 1, 2];

/** Predicts the first value of the prompt, everywhere. */
const asPrompted: FakeProgram = (spec, inputs) => {
  if (spec.kind !== "unet") throw new Error(`not a program for ${spec.kind}`);
  const { batch } = spec.shape;
  const prompts = inputValues(inputs, "prompt");
  const noise = new Float32Array(batch * 8);
  for (let item = 0; item < batch; item += 1) {
    noise.fill(prompts[(item * prompts.length) / batch] ?? 0, item * 8, (item + 1) * 8);
  }
  return { predictedNoise: hostTensor([batch, ...shape.slice(1)], noise) };
};

const input: SampleInput = {
  ...{ latents: counted(shape), tensors: async () => ({}), samplingCount: 4, guidanceScale: 3 },
  ...{ prompt: filled([1, 4, 4], 0.5), without: filled([1, 4, 4], 0.25) },
};

describe("sample", () => {
  it("weighs the prompt's prediction against the one without", async () => {
    const engine = fakeEngine(asPrompted);
    const model = fakeModel(engine);
    const sampled = await sample(model, input);
    // 0.25 + 3 (0.5 - 0.25) at every iteration.
    let expected = float32Values(counted(shape));
    for (const timestep of samplingTimesteps(model.files.schedule, 4)) {
      const step = { prediction: new Float32Array(8).fill(1), timestep, samplingCount: 4 };
      expected = denoisedLatents(model.files.schedule, { ...step, latents: expected });
    }
    expect(sampled.data).toEqual(expected);
    expect(engine.runs.length).toBe(8);
  });

  it("samples all the way with strength 1, to the bits that it has without one", async () => {
    const model = fakeModel(fakeEngine(asPrompted));
    const whole = await sample(model, input);
    expect(await sample(model, { ...input, strength: 1 })).toEqual(whole);
    expect(await sample(model, { ...input, strength: 0.75 })).not.toEqual(whole);
  });

  it("joins the branches where asked to, in half the passes", async () => {
    const engine = fakeEngine(asPrompted);
    const joined = await sample(fakeModel(engine), { ...input, joinBranches: true });
    expect(engine.runs.map((spec) => spec.kind === "unet" && spec.shape.batch)).toEqual([
      2, 2, 2, 2,
    ]);
    expect(joined).toEqual(await sample(fakeModel(fakeEngine(asPrompted)), input));
  });

  it("asks for the prompt only when guidance is off", async () => {
    const engine = fakeEngine(asPrompted);
    await sample(fakeModel(engine), {
      ...input,
      guidanceScale: 1,
      without: filled([1, 4, 4], NaN),
    });
    expect(engine.runs.length).toBe(4);
  });

  it("stops between iterations, and tells how far it is", async () => {
    const stop = new AbortController();
    const onProgress = ({ done, total }: { done: number; total: number }): void => {
      if (done === 2 && total === 4) stop.abort();
    };
    const engine = fakeEngine(asPrompted);
    const work = sample(fakeModel(engine), input, { signal: stop.signal, onProgress });
    await expect(work).rejects.toMatchObject({ reason: "stopped" });
    expect(engine.runs.length).toBe(4);
  });

  it("refuses latents that are no numbers any more", async () => {
    const broken = { ...input, prompt: filled([1, 4, 4], Number.POSITIVE_INFINITY) };
    const work = sample(fakeModel(fakeEngine(asPrompted)), broken);
    await expect(work).rejects.toMatchObject({ reason: "engine-failed" });
  });
});

describe("checkSampling", () => {
  const { files } = fakeModel(fakeEngine(asPrompted));

  it.each([
    { samplingCount: 101, strength: 1 },
    { samplingCount: 10, strength: 1.1 },
  ])("refuses %o", (wrong) => {
    expect(() => checkSampling(files, wrong)).toThrow(/expected/);
  });

  it("lets pass what sampling can do", () => {
    checkSampling(files, { samplingCount: 100, strength: 0.01 });
  });
});
