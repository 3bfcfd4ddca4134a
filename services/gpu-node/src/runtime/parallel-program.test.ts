import { describe, expect, it } from "vitest";
import type { HostTensor, HostTensors, LoadedProgram } from "./engine.js";
import { parallelProgram } from "./parallel-program.js";

const scalar = (value: number): HostTensor => ({ shape: [], data: Float32Array.of(value) });

/** A worker's copy of a program: runs end when they are let go, and it says what it was given. */
interface Copy extends LoadedProgram {
  readonly runs: (() => void)[];
  readonly fixed: HostTensors[];
  closed: boolean;
}

function copyNamed(name: number): Copy {
  const copy: Copy = {
    ...{ passesAtOnce: 1, runs: [], fixed: [], closed: false },
    run: (inputs) =>
      new Promise((resolve, reject) => {
        if (inputs["fails"] !== undefined) reject(new Error("failed"));
        copy.runs.push(() => resolve({ by: scalar(name) }));
      }),
    fix: async (inputs) => {
      copy.fixed.push(inputs);
    },
    createTuner: () => Promise.reject(new Error(`tuner of ${name}`)),
    close: async () => {
      copy.closed = true;
    },
  };
  return copy;
}

describe("parallelProgram", () => {
  it("gives a run to the worker that fewest wait for, the first where it is free", async () => {
    const [a, b] = [copyNamed(1), copyNamed(2)];
    const program = parallelProgram([a, b]);
    expect(program.passesAtOnce).toBe(2);
    const results = [program.run({}), program.run({}), program.run({})];
    expect([a.runs.length, b.runs.length]).toEqual([2, 1]);
    for (const end of [...a.runs, ...b.runs]) end();
    const names = (await Promise.all(results)).map(({ by }) => by?.data[0]);
    expect(names).toEqual([1, 2, 1]);
    void program.run({});
    expect([a.runs.length, b.runs.length]).toEqual([3, 1]);
  });

  it("does not wait for a run that failed", async () => {
    const [a, b] = [copyNamed(1), copyNamed(2)];
    const program = parallelProgram([a, b]);
    await expect(program.run({ fails: scalar(1) })).rejects.toThrow("failed");
    void program.run({});
    expect([a.runs.length, b.runs.length]).toEqual([2, 0]);
  });

  it("fixes inputs on every worker, each with arrays of its own", async () => {
    const [a, b] = [copyNamed(1), copyNamed(2)];
    const given = { w: scalar(7) };
    await parallelProgram([a, b]).fix(given);
    expect(a.fixed[0]?.["w"]).toBe(given.w);
    expect(b.fixed[0]).toEqual(given);
    expect(b.fixed[0]?.["w"]?.data.buffer).not.toBe(given.w.data.buffer);
  });

  it("tunes on the first worker, and closes all", async () => {
    const [a, b] = [copyNamed(1), copyNamed(2)];
    const program = parallelProgram([a, b]);
    const start = {} as Parameters<LoadedProgram["createTuner"]>[0];
    await expect(program.createTuner(start)).rejects.toThrow("tuner of 1");
    await program.close();
    expect([a.closed, b.closed]).toEqual([true, true]);
  });
});
