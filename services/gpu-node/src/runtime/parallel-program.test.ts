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

/** Two copies of a program as one; the second is loaded when it is let. */
function ofTwo() {
  const [a, b] = [copyNamed(1), copyNamed(2)];
  let letGo: (program: LoadedProgram) => void = () => undefined;
  let fail: (error: Error) => void = () => undefined;
  const loading = new Promise<LoadedProgram>((resolve, reject) => {
    letGo = resolve;
    fail = reject;
  });
  let loadCount = 0;
  const load = (): Promise<LoadedProgram> => {
    loadCount += 1;
    return loading;
  };
  const letLoad = async (): Promise<void> => {
    letGo(b);
    await new Promise(setImmediate);
  };
  return { a, b, program: parallelProgram(a, [load]), letLoad, fail, loadCount: () => loadCount };
}

/** The same, after a run that has ended: both copies are there. */
async function ofTwoLoaded() {
  const two = ofTwo();
  await Promise.all([two.letLoad(), two.program.run({ fails: scalar(1) }).catch(() => undefined)]);
  two.a.runs.length = 0;
  return two;
}

describe("parallelProgram", () => {
  it("gives a run to the worker that fewest wait for, the first where it is free", async () => {
    const { a, b, program } = await ofTwoLoaded();
    expect(program.passesAtOnce).toBe(2);
    const results = [program.run({}), program.run({}), program.run({})];
    expect([a.runs.length, b.runs.length]).toEqual([2, 1]);
    for (const end of [...a.runs, ...b.runs]) end();
    const names = (await Promise.all(results)).map(({ by }) => by?.data[0]);
    expect(names).toEqual([1, 2, 1]);
    void program.run({});
    expect([a.runs.length, b.runs.length]).toEqual([3, 1]);
  });

  it("loads other copies once, when it first runs, and goes on meanwhile", async () => {
    const { a, b, program, letLoad, loadCount } = ofTwo();
    await program.fix({});
    expect(loadCount()).toBe(0);
    void program.run({});
    void program.run({});
    expect([a.runs.length, loadCount()]).toEqual([2, 1]);
    await letLoad();
    void program.run({});
    expect([a.runs.length, b.runs.length, loadCount()]).toEqual([2, 1, 1]);
  });

  it("says at the next run that another copy cannot be loaded", async () => {
    const { program, fail } = ofTwo();
    const run = program.run({ fails: scalar(1) });
    await expect(run).rejects.toThrow("failed");
    fail(new Error("no memory"));
    await new Promise(setImmediate);
    await expect(program.run({})).rejects.toThrow("no memory");
    await program.close();
  });

  it("does not wait for a run that failed", async () => {
    const { a, b, program } = await ofTwoLoaded();
    await expect(program.run({ fails: scalar(1) })).rejects.toThrow("failed");
    void program.run({});
    expect([a.runs.length, b.runs.length]).toEqual([2, 0]);
  });

  it("fixes inputs on every worker, each with arrays of its own", async () => {
    const { a, b, program } = await ofTwoLoaded();
    const given = { w: scalar(7) };
    await program.fix(given);
    expect(a.fixed[0]?.["w"]).toBe(given.w);
    expect(b.fixed[0]).toEqual(given);
    expect(b.fixed[0]?.["w"]?.data.buffer).not.toBe(given.w.data.buffer);
  });

  it("fixes on a copy that comes later what was fixed last", async () => {
    const { b, program, letLoad } = ofTwo();
    await program.fix({ w: scalar(7) });
    void program.run({});
    await program.fix({ w: scalar(8) });
    await letLoad();
    expect(b.fixed).toEqual([{ w: scalar(8) }]);
  });

  it("tunes on the first worker, and closes all", async () => {
    const { a, b, program } = await ofTwoLoaded();
    const start = {} as Parameters<LoadedProgram["createTuner"]>[0];
    await expect(program.createTuner(start)).rejects.toThrow("tuner of 1");
    await program.close();
    expect([a.closed, b.closed]).toEqual([true, true]);
  });
});
