import { describe, expect, it } from "vitest";
import { fakeEngine, fakeFiles, filled } from "../testing/fake-model.js";
import { openModel, type TensorSource } from "./open-model.js";

const { textConfig: config, vaeConfig } = fakeFiles();
const text = { kind: "text", config, batch: 1 } as const;
const vae = { kind: "vae-encode", config: vaeConfig, frames: 1, height: 2, width: 2 } as const;

describe("ModelPrograms", () => {
  it("loads a program once, and again after it was freed", async () => {
    let loads = 0;
    const engine = fakeEngine(() => ({}));
    const counting = {
      ...engine,
      load: (...args: Parameters<typeof engine.load>) => {
        loads += 1;
        return engine.load(...args);
      },
    };
    const { programs } = openModel(fakeFiles(), counting);
    await programs.run(text, { each: {} }, {});
    await programs.run(text, { each: {} }, {});
    expect(loads).toBe(1);
    await programs.keepOnly("text");
    await programs.run(text, { each: {} }, {});
    expect(loads).toBe(1);
    await programs.keepOnly("vae-encode");
    await programs.run(text, { each: {} }, {});
    expect(loads).toBe(2);
  });

  it("frees the other kinds only", async () => {
    const engine = fakeEngine(() => ({}));
    const { programs } = openModel(fakeFiles(), engine);
    await programs.run(text, { each: {} }, {});
    await programs.run(vae, { each: {} }, {});
    await programs.keepOnly("vae-encode", "unet");
    expect(engine.closed).toEqual(["text"]);
  });

  it("loads what is prepared at once, once, and keeps it until it has run", async () => {
    const loads: string[] = [];
    const engine = fakeEngine(() => ({}));
    const counting = {
      ...engine,
      load: (...args: Parameters<typeof engine.load>) => {
        loads.push(args[0].kind);
        return engine.load(...args);
      },
    };
    const { programs } = openModel(fakeFiles(), counting);
    programs.prepare(text);
    programs.prepare(vae);
    expect(loads).toEqual(["text", "vae-encode"]);
    await programs.keepOnly("vae-encode");
    await programs.run(text, { each: {} }, {});
    expect([loads.length, engine.closed]).toEqual([2, []]);
    await programs.keepOnly("vae-encode");
    expect(engine.closed).toEqual(["text"]);
  });

  it("runs as many at a time as the engine can, and answers in their order", async () => {
    let [under, most] = [0, 0];
    const engine = fakeEngine((_, inputs) => ({ same: inputs["a"] ?? filled([], 0) }));
    const wide = {
      ...engine,
      load: async (...args: Parameters<typeof engine.load>) => {
        const program = await engine.load(...args);
        const run: typeof program.run = async (inputs) => {
          under += 1;
          most = Math.max(most, under);
          const outputs = await program.run(inputs);
          under -= 1;
          return outputs;
        };
        return { ...program, passesAtOnce: 2, run };
      },
    };
    const { programs } = openModel(fakeFiles(), wide);
    const each = [1, 2, 3].map((value) => ({ a: filled([], value) }));
    const outputs = await programs.runEach(text, { each }, {});
    expect(outputs.map(({ same }) => same?.data[0])).toEqual([1, 2, 3]);
    expect(most).toBe(2);
  });

  it("passes inputs that stay the same once, until they are others", async () => {
    const engine = fakeEngine((_, inputs) => ({ sum: inputs["a"] ?? filled([], 0) }));
    const { programs } = openModel(fakeFiles(), engine);
    const reads: number[] = [];
    const source = (value: number) => async () => {
      reads.push(value);
      return { a: filled([], value) };
    };
    const run = async (fixed: TensorSource) =>
      (await programs.run(text, { fixed, each: {} }, {}))["sum"]?.data[0];
    const [one, two] = [source(1), source(2)];
    expect([await run(one), await run(one), await run(two)]).toEqual([1, 1, 2]);
    expect(reads).toEqual([1, 2]);
  });

  it("tries again to load what could not be loaded", async () => {
    const engine = fakeEngine(() => ({}));
    let isBroken = true;
    const broken = {
      ...engine,
      load: async (...args: Parameters<typeof engine.load>) => {
        if (isBroken) throw new Error("broken");
        return engine.load(...args);
      },
    };
    const { programs } = openModel(fakeFiles(), broken);
    await expect(programs.run(text, { each: {} }, {})).rejects.toThrow("broken");
    isBroken = false;
    await programs.run(text, { each: {} }, {});
    expect(engine.runs.length).toBe(1);
  });
});
