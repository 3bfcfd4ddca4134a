import { setImmediate as nextTurn } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { createProgram, type ModuleSpec } from "@retake/model";
import { initialTuningState, paperAdamW, vectorLayout } from "@retake/model/tuning";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createEngine } from "./create-engine.js";
import type { Engine, HostTensors, Tuner } from "./engine.js";
import {
  createSmallCheckpoint,
  inputsFor,
  noiseOf,
  plainResults,
  smallConfig,
  smallGradients,
} from "./testing/small-unet.js";

const workers = vi.hoisted((): Worker[] => []);
vi.mock("node:worker_threads", async (importOriginal) => {
  const actual = await importOriginal<typeof import("node:worker_threads")>();
  const construct = (
    target: typeof Worker,
    terms: ConstructorParameters<typeof Worker>,
  ): Worker => {
    const worker = new target(...terms);
    workers.push(worker);
    return worker;
  };
  return { ...actual, Worker: new Proxy(actual.Worker, { construct }) };
});

const checkpoint = createSmallCheckpoint();
afterAll(checkpoint.remove);

let engine: Engine;
beforeEach(async () => {
  engine = await createEngine("onnx-cpu", { threads: 1 });
});
afterEach(async () => {
  await workers.at(-1)?.terminate();
});

const small: ModuleSpec = {
  ...{ kind: "module", moduleKind: "cross-attention", config: smallConfig, frames: 1 },
  path: "down_blocks.0.attentions.0.transformer_blocks.0.attn2",
  ...{ x: [2, 5, 8], text: [2, 3, 6] },
};
const program = createProgram(small);
const inputs = inputsFor(program);

/** Some tenths of a second of work. */
const long = smallGradients({ frames: 3, height: 32, width: 32 });
const longInputs = inputsFor(createProgram(long));

describe("createEngine", () => {
  it("runs a program, as often as asked, and leaves the caller's arrays alone", async () => {
    const loaded = await engine.load(small, checkpoint.locations);
    const expected = await plainResults(program, inputs, checkpoint.find);
    const first = await loaded.run(inputs);
    expect(first["out"]?.shape).toEqual([2, 5, 8]);
    for (const [i, number] of [...(expected["out"]?.data ?? [])].entries()) {
      expect(first["out"]?.data[i]).toBeCloseTo(number, 5);
    }
    expect(await loaded.run(inputs)).toEqual(first);
    expect(inputs).toEqual(inputsFor(program));
  });

  it("refuses an input that is missing or not as declared, and goes on", async () => {
    const loaded = await engine.load(small, checkpoint.locations);
    const { x: _, ...rest } = inputs;
    const wrong: Record<string, HostTensors> = {
      "x: expected float32 [2,5,8], got nothing": rest,
      "x: expected float32 [2,5,8], got [2,8,5]": { ...rest, x: noiseOf([2, 8, 5], 1) },
      "x: expected float32 [2,5,8], got [80]": { ...rest, x: noiseOf([80], 1) },
      "x: expected float32 [2,5,8], got 79 values": {
        ...rest,
        x: { shape: [2, 5, 8], data: new Float32Array(79) },
      },
      "x: expected float32 [2,5,8], got int32": {
        ...rest,
        x: { shape: [2, 5, 8], data: new Int32Array(80) },
      },
    };
    for (const [message, given] of Object.entries(wrong)) {
      await expect(loaded.run(given)).rejects.toMatchObject({ reason: "bad-option", message });
    }
    expect((await loaded.run(inputs))["out"]?.shape).toEqual([2, 5, 8]);
  });

  it("keeps inputs that are fixed, until others are; what a run is given counts more", async () => {
    const loaded = await engine.load(small, checkpoint.locations);
    const expected = await loaded.run(inputs);
    const { x, ...rest } = inputs;
    if (x === undefined) throw new Error("expected x");
    await loaded.fix(structuredClone(rest));
    expect(await loaded.run({ x })).toEqual(expected);
    await loaded.fix(structuredClone({ ...inputs, x: noiseOf([2, 5, 8], 5) }));
    expect(await loaded.run({})).not.toEqual(expected);
    expect(await loaded.run({ x })).toEqual(expected);
    const given = structuredClone(x);
    await loaded.fix({ x: given });
    expect(given.data.length).toBe(0);
    await expect(loaded.run({})).rejects.toMatchObject({ reason: "bad-option" });
  });

  it("says which weight a checkpoint does not have", async () => {
    const locations = new Map(checkpoint.locations);
    locations.delete(`${small.path}.to_k.weight`);
    await expect(engine.load(small, locations)).rejects.toMatchObject({
      reason: "tensor-missing",
      message: expect.stringContaining(`${small.path}.to_k.weight`),
    });
  });

  it("leaves the event loop free during a long run", async () => {
    const loaded = await engine.load(long, checkpoint.locations);
    let isRunning = true;
    const run = loaded.run(longInputs).finally(() => {
      isRunning = false;
    });
    let turns = 0;
    for (; isRunning; turns += 1) await nextTurn();
    await run;
    expect(turns).toBeGreaterThan(100);
  });

  it("rejects as stopped when its signal is aborted, at once while it runs", async () => {
    const loaded = await engine.load(long, checkpoint.locations);
    const abort = new AbortController();
    const ends: string[] = [];
    const stopped = loaded.run(longInputs, { signal: abort.signal }).catch((error: unknown) => {
      ends.push("stopped");
      return error;
    });
    const whole = loaded.run(longInputs).then(() => ends.push("whole"));
    await nextTurn();
    abort.abort();
    expect(await stopped).toMatchObject({ code: "CANCELED", reason: "stopped" });
    await whole;
    expect(ends).toEqual(["stopped", "whole"]);
  });

  it("does not begin what was aborted before, whatever is wrong with it", async () => {
    const loaded = await engine.load(small, checkpoint.locations);
    const signal = AbortSignal.abort();
    await expect(loaded.run({}, { signal })).rejects.toMatchObject({ reason: "stopped" });
    expect((await loaded.run(inputs))["out"]?.shape).toEqual([2, 5, 8]);
  });

  // Not while it computes: a thread that is ended inside native code may take the process with it.
  it("fails who calls once its worker is dead", async () => {
    const loaded = await engine.load(small, checkpoint.locations);
    await workers.at(-1)?.terminate();
    await expect(loaded.run(inputs)).rejects.toMatchObject({
      reason: "engine-failed",
      message: "engine: expected an answer, but its worker ended with 1",
    });
  });

  it("shares the passes of a tiny network out among two workers, with the same bits", async () => {
    const wide = await createEngine("onnx-cpu", { threads: 2 });
    const { config, shape } = smallGradients();
    const spec = { kind: "unet", config, shape } as const;
    const given = inputsFor(createProgram(spec));
    const workersBefore = workers.length;
    const loaded = await wide.load(spec, checkpoint.locations);
    expect([workers.length - workersBefore, loaded.passesAtOnce]).toEqual([1, 2]);
    const alone = await loaded.run(given);
    expect(await Promise.all([loaded.run(given), loaded.run(given)])).toEqual([alone, alone]);
    await wide.close();
    await expect(loaded.run(given)).rejects.toMatchObject({ reason: "engine-failed" });
    // Both have ended: the last is again the one that every test ends.
    workers.splice(workersBefore - 1);
  });

  it("ends what runs before it closes, and answers nothing afterwards", async () => {
    const loaded = await engine.load(small, checkpoint.locations);
    const last = loaded.run(inputs);
    await engine.close();
    expect((await last)["out"]?.shape).toEqual([2, 5, 8]);
    await expect(loaded.run(inputs)).rejects.toMatchObject({ reason: "engine-failed" });
  });
});

describe("LoadedProgram.createTuner", () => {
  const spec = smallGradients();
  const { trainable } = spec;
  const tuning = createProgram(spec);
  const shapes = new Map(tuning.inputs.map(({ name, shape }) => [name, shape]));
  const layout = vectorLayout(trainable.map((name) => ({ name, shape: shapes.get(name) ?? [] })));
  const drawOf = (seed: number): HostTensors =>
    Object.fromEntries(
      Object.entries(inputsFor(tuning, seed)).filter(([name]) => !trainable.includes(name)),
    );
  const settings = paperAdamW;
  const open = async (): Promise<Tuner> => {
    const loaded = await engine.load(spec, checkpoint.locations);
    const state = initialTuningState(noiseOf([layout.length], 3).data as Float32Array);
    return loaded.createTuner({ layout, state });
  };

  it("tunes to the same bits in whichever order the draws come", async () => {
    const states = [];
    for (const order of [
      [0, 1, 2],
      [2, 0, 1],
    ]) {
      const tuner = await open();
      for (const drawIndex of order) {
        expect(await tuner.addDraw({ drawIndex, inputs: drawOf(drawIndex) })).toBeGreaterThan(0);
      }
      const norm = await tuner.applyStep({ drawCount: 3, step: 0, settings, gradientNormMax: 1 });
      expect(norm).toBeGreaterThan(0);
      states.push(await tuner.state());
      await tuner.close();
    }
    expect(states[0]).toEqual(states[1]);
  });

  it("leaves no trace of a draw that was aborted and a step that was abandoned", async () => {
    const step = { drawCount: 1, step: 0, settings, gradientNormMax: 1 };
    const tuner = await open();
    const abort = new AbortController();
    const { signal } = abort;
    const aborted = tuner.addDraw({ drawIndex: 0, inputs: drawOf(8) }, { signal });
    abort.abort();
    await expect(aborted).rejects.toMatchObject({ reason: "stopped" });
    await expect(
      tuner.addDraw({ drawIndex: 0, inputs: drawOf(8) }, { signal }),
    ).rejects.toMatchObject({ reason: "stopped" });
    await tuner.abandonStep();
    await tuner.addDraw({ drawIndex: 0, inputs: drawOf(1) });
    const other = await open();
    await other.addDraw({ drawIndex: 0, inputs: drawOf(1) });
    expect(await tuner.applyStep(step)).toBe(await other.applyStep(step));
    expect(await tuner.state()).toEqual(await other.state());
  });
});
