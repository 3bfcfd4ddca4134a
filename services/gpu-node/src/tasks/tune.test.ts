import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type FakeProgram,
  fakeEngine,
  fakeFiles,
  fakeModel,
  filled,
  flatTensors,
  inputValues,
} from "../testing/fake-model.js";
import { float32Values, hostTensor } from "./host-tensors.js";
import { type TuneInput, type TuneResult, tune } from "./tune.js";

const files = fakeFiles();
const shape = [1, 4, 1, 2, 2];

/** Pulls every weight to 1; what is drawn decides how hard, so that draws can be told apart. */
const pulled: FakeProgram = (spec, inputs) => {
  if (spec.kind !== "unet-gradients") throw new Error(`not a program for ${spec.kind}`);
  const pull = Math.abs(inputValues(inputs, "latents")[0] ?? 0) + 0.1;
  const gradients = spec.trainable.map((name) => {
    const values = inputValues(inputs, name).map((weight) => (weight - 1) * pull);
    return [`grad/${name}`, hostTensor([values.length], values)] as const;
  });
  return { ...Object.fromEntries(gradients), loss: hostTensor([], new Float32Array([pull])) };
};

/** As `pulled`, but the loss of each listed run, counted from 0, is not a number. */
function failing(runs: ReadonlySet<number>): FakeProgram {
  let run = -1;
  return (spec, inputs) => {
    run += 1;
    const outputs = pulled(spec, inputs);
    return runs.has(run) ? { ...outputs, loss: filled([], Number.NaN) } : outputs;
  };
}

const input: TuneInput = {
  moments: { mean: filled(shape, 0.5), logVariance: filled(shape, 0) },
  prompt: filled([1, 4, 4], 0),
  tensors: flatTensors(files, 0),
  settings: {
    ...{ steps: 6, learningRate: 0.01, drawsPerStep: 1, seed: 7, mode: "paper" },
    memory: "fast",
  },
};
const withSettings = (settings: Partial<TuneInput["settings"]>): TuneInput => ({
  ...input,
  settings: { ...input.settings, ...settings },
});
const tuned = (program: FakeProgram = pulled, given: TuneInput = input) =>
  tune(fakeModel(fakeEngine(program)), given);

describe("tune", () => {
  it("moves what the mode tunes by about the rate a step, and nothing else", async () => {
    const { tensors, journal } = await tuned();
    const names = Object.keys(tensors);
    expect(names.every((name) => /attn[12]\.to_q|attn_temp/.test(name))).toBe(true);
    const values = new Set(
      names.flatMap((name) => [...float32Values(tensors[name] ?? filled([], 0))]),
    );
    expect(values.size).toBe(1);
    expect([...values][0]).toBeCloseTo(0.06, 3);
    expect([journal.step, journal.attempts, journal.losses.length]).toEqual([6, 6, 6]);
  });

  it("gives back what it was given when there is nothing to do, and loads no program", async () => {
    const engine = fakeEngine(pulled);
    const none = await tune(fakeModel(engine), withSettings({ steps: 0 }));
    const names = Object.keys(none.tensors);
    expect(names.every((name) => none.tensors[name] !== undefined)).toBe(true);
    expect(none.tensors).toEqual(
      Object.fromEntries(names.map((name) => [name, input.tensors[name]])),
    );
    expect([engine.runs, engine.closed]).toEqual([[], []]);
  });

  it("tunes fewer tensors in reference mode", async () => {
    const reference = await tuned(pulled, withSettings({ mode: "reference" }));
    expect(Object.keys(reference.tensors).some((name) => name.startsWith("down"))).toBe(false);
  });

  it("takes several draws a step, other ones each time, and means their losses", async () => {
    const engine = fakeEngine(pulled);
    const both = await tune(fakeModel(engine), withSettings({ drawsPerStep: 3, steps: 2 }));
    expect(engine.runs.length).toBe(6);
    expect(new Set(both.journal.losses).size).toBe(2);
  });

  it("depends on the seed, and on nothing else", async () => {
    expect(await tuned()).toEqual(await tuned());
    expect(await tuned()).not.toEqual(await tuned(pulled, withSettings({ seed: 8 })));
  });

  it("abandons a step without a finite loss: no update, and new draws for the next", async () => {
    const warnings: string[] = [];
    const model = fakeModel(fakeEngine(failing(new Set([2]))));
    const result = await tune(model, input, { onWarning: (warning) => warnings.push(warning) });
    const undisturbed = await tuned();
    expect(warnings).toEqual([expect.stringContaining("step 2: abandoned")]);
    expect([result.journal.step, result.journal.attempts]).toEqual([6, 7]);
    // The draws of attempt 2 are left out; those after it are the same.
    const { losses } = undisturbed.journal;
    expect(result.journal.losses.slice(0, 5)).toEqual([...losses.slice(0, 2), ...losses.slice(3)]);
  });

  it("shows what it would give if it ended now, at each step that is asked for", async () => {
    const seen: TuneResult[] = [];
    const onPreview = (soFar: TuneResult): void => void seen.push(soFar);
    const previews = { atSteps: [0, 2, 4, 9], onPreview };
    expect(await tuned(pulled, { ...input, previews })).toEqual(await tuned());
    expect(seen.map(({ journal }) => journal.step)).toEqual([0, 2, 4]);
    for (const soFar of seen) {
      expect(soFar).toEqual(await tuned(pulled, withSettings({ steps: soFar.journal.step })));
    }
  });

  it("shows the network where nothing is to be done", async () => {
    const seen: TuneResult[] = [];
    const previews = { atSteps: [0], onPreview: (soFar: TuneResult) => void seen.push(soFar) };
    const none = await tuned(pulled, { ...withSettings({ steps: 0 }), previews });
    expect(seen).toEqual([none]);
  });

  it("goes on after two abandoned steps, and ends after three in a row", async () => {
    const two = await tuned(failing(new Set([0, 1, 3, 4])));
    expect([two.journal.step, two.journal.attempts]).toEqual([6, 10]);
    const work = tuned(failing(new Set([1, 2, 3])));
    await expect(work).rejects.toMatchObject({ reason: "loss-not-finite" });
  });
});

describe("tune with snapshots", () => {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "retake-tune-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const snapshots = (resume: boolean, settingsHash = "same") => ({
    ...{ path: join(folder, "snapshot.safetensors"), settingsHash },
    ...{ everySteps: 2, resume },
  });

  /** Stops as soon as so many steps are done. */
  async function stopped(afterSteps: number): Promise<void> {
    const stop = new AbortController();
    const onProgress = ({ done }: { done: number }): void => {
      if (done === afterSteps) stop.abort();
    };
    const control = { signal: stop.signal, onProgress };
    const given = { ...input, snapshots: snapshots(false) };
    const work = tune(fakeModel(fakeEngine(pulled)), given, control);
    await expect(work).rejects.toMatchObject({ reason: "stopped" });
  }

  it.each([1, 2, 3, 5])("goes on from step %i to the bits of an undisturbed run", async (steps) => {
    await stopped(steps);
    const engine = fakeEngine(pulled);
    const resumed = await tune(fakeModel(engine), { ...input, snapshots: snapshots(true) });
    expect(resumed).toEqual(await tuned());
    expect(engine.runs.length).toBe(6 - steps);
  });

  it.each([
    { atStep: 3, runs: 3, warned: 0 },
    { atStep: 2, runs: 6, warned: 1 },
  ])("goes on from step 3 where step $atStep is to be shown, if it can be", async (given) => {
    await stopped(3);
    const engine = fakeEngine(pulled);
    const seen: TuneResult[] = [];
    const warnings: string[] = [];
    const previews = {
      atSteps: [given.atStep, 6],
      onPreview: (soFar: TuneResult) => void seen.push(soFar),
    };
    const looked = { ...input, snapshots: snapshots(true), previews };
    const onWarning = (warning: string): void => void warnings.push(warning);
    expect(await tune(fakeModel(engine), looked, { onWarning })).toEqual(await tuned());
    expect([engine.runs.length, warnings.length]).toEqual([given.runs, given.warned]);
    expect(seen.map(({ journal }) => journal.step)).toEqual([given.atStep, 6]);
    expect(seen[0]).toEqual(await tuned(pulled, withSettings({ steps: given.atStep })));
  });

  it("does not go on from a snapshot that is beyond the steps that are asked for", async () => {
    await stopped(3);
    const two = { ...withSettings({ steps: 2 }), snapshots: snapshots(true) };
    expect(await tuned(pulled, two)).toEqual(await tuned(pulled, withSettings({ steps: 2 })));
    await stopped(3);
    const three = { ...withSettings({ steps: 3 }), snapshots: snapshots(true) };
    const engine = fakeEngine(pulled);
    expect((await tune(fakeModel(engine), three)).journal.step).toBe(3);
    expect(engine.runs).toEqual([]);
  });

  it("writes none when stopped before the first step", async () => {
    await stopped(0);
    expect(await readdir(folder)).toEqual([]);
  });

  it("starts anew where there is none, or nobody asked to go on", async () => {
    await stopped(3);
    const engine = fakeEngine(pulled);
    await tune(fakeModel(engine), { ...input, snapshots: snapshots(false) });
    await rm(join(folder, "snapshot.safetensors"));
    await tune(fakeModel(engine), { ...input, snapshots: snapshots(true) });
    expect(engine.runs.length).toBe(12);
  });

  it("refuses a snapshot of another tuning", async () => {
    await stopped(3);
    const work = tuned(pulled, { ...input, snapshots: snapshots(true, "other") });
    await expect(work).rejects.toMatchObject({ reason: "snapshot-mismatch" });
  });

  it("goes on on other terms, and says that the bits will differ", async () => {
    await stopped(3);
    const warnings: string[] = [];
    const model = fakeModel(fakeEngine(pulled, "other terms"));
    const given = { ...input, snapshots: snapshots(true) };
    const { journal } = await tune(model, given, {
      onWarning: (warning) => warnings.push(warning),
    });
    expect(warnings).toEqual([expect.stringContaining("bits will differ")]);
    expect(journal.numericsIds).toEqual(["fake", "other terms"]);
  });
});
