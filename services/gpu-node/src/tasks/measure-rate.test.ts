import { cost, traceProgram } from "@retake/compile";
import { createProgram } from "@retake/model";
import { describe, expect, it } from "vitest";
import { fakeEngine, fakeModel, filled } from "../testing/fake-model.js";
import { measureRate } from "./measure-rate.js";

describe("measureRate", () => {
  it("is the operations of the fastest run after the first, by the clock", async () => {
    // The first run is not timed; the others take 50 and 40 ms.
    const times = [0, 10, 60, 100, 140];
    const engine = fakeEngine(() => ({ predictedNoise: filled([1], 0) }));
    const rate = await measureRate(fakeModel(engine), {
      ...{ side: 8, nowMs: () => times.shift() ?? Number.NaN },
    });
    const [spec] = engine.runs;
    if (spec === undefined) throw new Error("expected runs");
    expect(rate).toBeCloseTo(cost(traceProgram(createProgram(spec))).flops / 0.04, 0);
    expect(spec).toMatchObject({ kind: "unet", shape: { frames: 2, height: 8, width: 8 } });
  });

  it("stays small for large clips, and can be stopped", async () => {
    const engine = fakeEngine(() => ({ predictedNoise: filled([1], 0) }));
    const model = fakeModel(engine);
    await measureRate(model, { side: 64, nowMs: () => 0 });
    expect(engine.runs[0]).toMatchObject({ shape: { height: 16, width: 16 } });
    const work = measureRate(model, { side: 8, nowMs: () => 0, signal: AbortSignal.abort() });
    await expect(work).rejects.toMatchObject({ reason: "stopped" });
  });
});
