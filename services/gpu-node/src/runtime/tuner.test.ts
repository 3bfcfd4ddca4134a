import { createHash } from "node:crypto";
import {
  type DrawSum,
  initialTuningState,
  meanOfDraws,
  paperAdamW,
  vectorLayout,
  vectorNorm,
} from "@retake/model/tuning";
import { describe, expect, it } from "vitest";
import type { HostTensors } from "./engine.js";
import type { RunnerProgram } from "./runner.js";
import { WorkerTuner } from "./tuner.js";

const layout = vectorLayout([
  { name: "a", shape: [2] },
  { name: "b", shape: [1, 1] },
]);
const step = { drawCount: 1, step: 0, settings: paperAdamW, gradientNormMax: 1 };

/** Inputs that say which gradient and loss the fake program gives for them. */
function drawn(gradient: readonly number[], loss = 0.5): HostTensors {
  return {
    gradient: { shape: [3], data: Float32Array.from(gradient) },
    loss: { shape: [], data: Float32Array.of(loss) },
  };
}

/** Gives the gradient that it is told to; into the caller's arrays, or beside them. */
function fakeProgram(writes: "into" | "beside", seen: HostTensors[] = []): RunnerProgram {
  return {
    run: async (inputs, into = {}) => {
      seen.push(inputs);
      const { gradient, loss } = inputs;
      const data = Float32Array.from(gradient?.data ?? []);
      const parts = { "grad/a": data.subarray(0, 2), "grad/b": data.subarray(2) };
      if (loss === undefined) return {};
      if (writes === "beside") {
        const beside = Object.entries(parts).map(([name, part]) => [
          name,
          { shape: [part.length], data: part },
        ]);
        return { loss, ...Object.fromEntries(beside) };
      }
      for (const [name, part] of Object.entries(parts)) into[name]?.set(part);
      return { loss };
    },
    close: async () => {},
  };
}

function createTuner(program = fakeProgram("into")): WorkerTuner {
  return new WorkerTuner(program, {
    layout,
    state: initialTuningState(Float32Array.of(1, 2, 3)),
  });
}

const draws = [
  [0.1, -0.3, 0.7],
  [1e-8, 0.2, -0.9],
  [0.33, 0.21, 0.5],
  [-7.5, 1e-3, 0.11],
  [0.6, -0.4, 0.2],
].map((gradient) => drawn(gradient));

async function stateAfter(order: readonly number[], program?: RunnerProgram) {
  const tuner = createTuner(program);
  for (const drawIndex of order) await tuner.addDraw(drawIndex, draws[drawIndex] ?? {});
  tuner.applyStep({ ...step, drawCount: order.length });
  return tuner.state();
}

describe("WorkerTuner", () => {
  it("returns the draw's loss, and the norm of the mean gradient", async () => {
    const tuner = createTuner();
    expect(await tuner.addDraw(0, drawn([3, 0, 0], 0.25))).toBe(0.25);
    expect(await tuner.addDraw(1, drawn([3, 0, 8], 0.75))).toBe(0.75);
    expect(tuner.applyStep({ ...step, drawCount: 2 })).toBe(5);
  });

  it("moves each weight against its gradient, at first by about the learning rate", async () => {
    const tuner = createTuner();
    await tuner.addDraw(0, drawn([1, -1, 0]));
    const settings = { ...paperAdamW, learningRate: 0.1, weightDecay: 0 };
    tuner.applyStep({ ...step, settings });
    const { weights } = tuner.state();
    for (const [i, weight] of [0.9, 2.1, 3].entries()) expect(weights[i]).toBeCloseTo(weight, 5);
  });

  it("gives the program the tuned tensors as they stand, in their shapes", async () => {
    const seen: HostTensors[] = [];
    const tuner = createTuner(fakeProgram("into", seen));
    await tuner.addDraw(0, drawn([1, 1, 1]));
    expect(seen[0]?.["a"]).toEqual({ shape: [2], data: Float32Array.of(1, 2) });
    expect(seen[0]?.["b"]).toEqual({ shape: [1, 1], data: Float32Array.of(3) });
    tuner.applyStep(step);
    await tuner.addDraw(0, drawn([1, 1, 1]));
    expect(seen[1]?.["b"]?.data[0]).toBe(tuner.state().weights[2]);
    expect(seen[1]?.["b"]?.data[0]).not.toBe(3);
  });

  it("gives the same bits in whichever order the draws of a step come", async () => {
    const expected = await stateAfter([0, 1, 2, 3, 4]);
    for (const order of [
      [4, 3, 2, 1, 0],
      [2, 0, 4, 1, 3],
      [1, 3, 0, 4, 2],
    ]) {
      expect(await stateAfter(order)).toEqual(expected);
    }
  });

  it("gives the same bits where the program leaves its outputs beside the arrays", async () => {
    const order = [0, 1, 2, 3, 4];
    expect(await stateAfter(order, fakeProgram("beside"))).toEqual(await stateAfter(order));
  });

  it("does not carry a gradient from one step into the next", async () => {
    const tuner = createTuner();
    await tuner.addDraw(0, drawn([5, 5, 5]));
    await tuner.addDraw(1, drawn([5, 5, 5]));
    tuner.applyStep({ ...step, drawCount: 2 });
    await tuner.addDraw(0, drawn([0, 3, 0]));
    await tuner.addDraw(1, drawn([0, 3, 8]));
    expect(tuner.applyStep({ ...step, drawCount: 2, step: 1 })).toBe(5);
  });

  it("forgets the draws of a step that is abandoned", async () => {
    const tuner = createTuner();
    await tuner.addDraw(0, drawn([9, 9, 9]));
    tuner.abandonStep();
    await tuner.addDraw(0, drawn([0, 0, 2]));
    expect(tuner.applyStep(step)).toBe(2);
  });

  it("does not count a draw that ends after its step was abandoned", async () => {
    const inner = fakeProgram("into");
    let goOn = (): void => {};
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    let runs = 0;
    const tuner = createTuner({
      ...inner,
      run: async (inputs, into) => {
        runs += 1;
        if (runs === 1) await held;
        return inner.run(inputs, into);
      },
    });
    const late = tuner.addDraw(0, drawn([9, 9, 9]));
    tuner.abandonStep();
    await tuner.addDraw(0, drawn([0, 0, 2]));
    goOn();
    await late;
    expect(tuner.applyStep(step)).toBe(2);
  });

  it("leaves the state as it is where a gradient is not finite, and goes on", async () => {
    const tuner = createTuner();
    const before = tuner.state();
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY]) {
      await tuner.addDraw(0, drawn([1, wrong, 1]));
      expect(tuner.applyStep(step)).not.toSatisfy(Number.isFinite);
      expect(tuner.state()).toEqual(before);
    }
    await tuner.addDraw(0, drawn([1, 1, 1]));
    expect(tuner.applyStep(step)).toBeCloseTo(Math.sqrt(3), 6);
    expect(tuner.state()).not.toEqual(before);
  });

  it("leaves the state as it is where a loss is not finite, and goes on", async () => {
    const tuner = createTuner();
    const before = tuner.state();
    await tuner.addDraw(0, drawn([1, 1, 1], Number.POSITIVE_INFINITY));
    await tuner.addDraw(1, drawn([1, 1, 1]));
    expect(tuner.applyStep({ ...step, drawCount: 2 })).not.toSatisfy(Number.isFinite);
    expect(tuner.state()).toEqual(before);
    await tuner.addDraw(0, drawn([0, 0, 2]));
    expect(tuner.applyStep(step)).toBe(2);
  });

  it("refuses a step with a draw missing, and forgets the others", async () => {
    const tuner = createTuner();
    const before = tuner.state();
    await tuner.addDraw(1, drawn([1, 1, 1]));
    expect(() => tuner.applyStep({ ...step, drawCount: 2 })).toThrow("draw 0 is missing");
    expect(tuner.state()).toEqual(before);
    await tuner.addDraw(0, drawn([0, 0, 2]));
    expect(tuner.applyStep(step)).toBe(2);
  });

  it("gives the same bits where the sums are reduced elsewhere", async () => {
    const expected = await stateAfter([0, 1, 2, 3, 4]);
    const tuner = createTuner();
    const sums: DrawSum[] = [];
    for (const part of [
      [0, 1, 2],
      [3, 4],
    ]) {
      for (const drawIndex of part) await tuner.addDraw(drawIndex, draws[drawIndex] ?? {});
      sums.push(...tuner.takeSums());
    }
    expect(sums.map(({ firstDraw, drawCount }) => [firstDraw, drawCount])).toEqual([
      [0, 2],
      [2, 1],
      [3, 1],
      [4, 1],
    ]);
    expect(tuner.takeSums()).toEqual([]);
    const gradient = meanOfDraws(sums, 5);
    const before = tuner.weightsHash();
    tuner.applyGradient({ ...step, gradient, norm: vectorNorm(gradient) });
    expect(tuner.state()).toEqual(expected);
    expect(tuner.weightsHash()).not.toBe(before);
  });

  it("names its weights by their bytes", () => {
    const bytes = new Uint8Array(Float32Array.of(1, 2, 3).buffer);
    expect(createTuner().weightsHash()).toBe(createHash("sha256").update(bytes).digest("hex"));
  });

  it("does not count a draw that ends after the sums were taken", async () => {
    const inner = fakeProgram("into");
    let goOn = (): void => {};
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const tuner = createTuner({
      ...inner,
      run: async (inputs, into) => {
        await held;
        return inner.run(inputs, into);
      },
    });
    const late = tuner.addDraw(0, drawn([9, 9, 9]));
    expect(tuner.takeSums()).toEqual([]);
    goOn();
    await late;
    expect(tuner.takeSums()).toEqual([]);
  });

  it("hands out copies of its state", async () => {
    const tuner = createTuner();
    tuner.state().weights.fill(0);
    expect(tuner.state().weights).toEqual(Float32Array.of(1, 2, 3));
  });

  it("clips the gradient to the norm that it is given", async () => {
    const moments = await Promise.all(
      [1, 100].map(async (gradientNormMax) => {
        const tuner = createTuner();
        await tuner.addDraw(0, drawn([3, 4, 0]));
        tuner.applyStep({ ...step, gradientNormMax });
        return tuner.state().firstMoment;
      }),
    );
    expect(moments[0]?.[0]).toBeCloseTo(0.1 * 0.6, 5);
    expect(moments[1]?.[0]).toBeCloseTo(0.1 * 3, 5);
  });
});
