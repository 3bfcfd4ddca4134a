import { createProgram, type UNetSpec } from "@retake/model";
import { equalParts } from "@retake/model/frames";
import { afterAll, describe, expect, it } from "vitest";
import { OnnxRunner } from "./onnx-runner.js";
import { shardedResults } from "./testing/shard-ranks.js";
import { createSmallCheckpoint, inputsFor, smallConfig } from "./testing/small-unet.js";

const checkpoint = createSmallCheckpoint();
afterAll(checkpoint.remove);
const runner = new OnnxRunner("onnx-cpu", { threads: 1 });
const weights = checkpoint.locations;
type Values = Float32Array | Int32Array;

const specOf = (frames: number, size: readonly [number, number]): UNetSpec => {
  const [height, width] = size;
  const shape = { batch: 1, frames, height, width, promptTokens: 3 };
  return { kind: "unet", config: smallConfig, shape };
};

/** How many frames there are, and how they are divided: also unevenly, and one each. */
const divisions = [
  [1, 1],
  [2, 1],
  [1, 2],
  [4, 4],
  [5, 1],
  [2, 2, 1],
  [1, 1, 1],
  [3, 1, 4],
  [1, 2, 2, 2],
  [2, 2, 2, 2],
].map((frameCounts) => ({ frameCounts }));

/** Ten times what float32 alone changes in the U-Net's output, of its maximum. */
const tolerance = 2.3e-5;

const errorOf = (part: Values, whole: Values): number => {
  const most = Math.max(...Array.from(whole, Math.abs));
  return Math.max(...Array.from(part, (x, i) => Math.abs(x - (whole[i] ?? 0)) / most));
};

describe("a pass whose frames ranks share", () => {
  it.each(divisions)(
    "gives on every rank the bits of one: $frameCounts",
    async ({ frameCounts }) => {
      const frames = frameCounts.reduce((a, b) => a + b, 0);
      // 6 x 5 cells, then 3 x 3; and 2 x 1, then one, which ranks cannot share. There, one frame
      // is one row, and products with one row take another path than those with several.
      for (const size of [
        [6, 5],
        [2, 1],
      ] as const) {
        const spec = specOf(frames, size);
        const inputs = inputsFor(createProgram(spec), frames);
        const program = await runner.load(spec, weights);
        const { predictedNoise: whole } = await program.run(inputs);
        await program.close();
        const given = { frameCounts, weights, inputs };
        for (const { predictedNoise: part } of await shardedResults(runner, spec, given)) {
          expect(part?.shape).toEqual(whole?.shape);
          if (part === undefined || whole === undefined) throw new Error("expected a prediction");
          const isExact = size[0] > 2 || Math.min(...frameCounts) > 1;
          if (isExact) expect(part.data, `${size}`).toEqual(whole.data);
          else expect(errorOf(part.data, whole.data)).toBeLessThan(tolerance);
        }
      }
    },
  );

  it("does what the whole clip would, where it is large and a rank's share is small", async () => {
    const spec = specOf(5, [36, 32]);
    const inputs = inputsFor(createProgram(spec), 5);
    const program = await runner.load(spec, weights);
    const { predictedNoise: whole } = await program.run(inputs);
    await program.close();
    const given = { frameCounts: [3, 2], weights, inputs };
    for (const { predictedNoise: part } of await shardedResults(runner, spec, given)) {
      expect(part?.data).toEqual(whole?.data);
    }
  });

  it("depends on what other ranks hold", async () => {
    const spec = specOf(4, [4, 4]);
    const inputs = inputsFor(createProgram(spec));
    const given = { frameCounts: equalParts(4, { parts: 2 }), weights };
    const [before] = await shardedResults(runner, spec, { ...given, inputs });
    const latents = inputs["latents"];
    if (latents === undefined) throw new Error("latents");
    const moved = latents.data.map((x, i) => (i % 64 >= 48 ? x + 1 : x));
    const changed = { ...inputs, latents: { shape: latents.shape, data: moved } };
    const [after] = await shardedResults(runner, spec, { ...given, inputs: changed });
    const [a, b] = [before, after].map((outputs) => outputs?.predictedNoise?.data.slice(0, 16));
    expect(a).not.toEqual(b);
  });

  it("refuses a division that is none, and a run that nobody exchanges with", async () => {
    const spec = specOf(3, [4, 4]);
    for (const frameCounts of [[3], [2, 2], [3, 0], [1.5, 1.5]]) {
      const refused = runner.load({ ...spec, shard: { rank: 0, frameCounts } }, weights);
      await expect(refused, `${frameCounts}`).rejects.toThrow("shard: expected 3 frames");
    }
    const shard = { rank: 2, frameCounts: [2, 1] };
    await expect(runner.load({ ...spec, shard }, weights)).rejects.toThrow("one of 2 ranks");
    const alone = await runner.load({ ...spec, shard: { ...shard, rank: 1 } }, weights);
    const run = alone.run(inputsFor(createProgram(spec)));
    await expect(run).rejects.toThrow("expected somebody to exchange frames with");
    await alone.close();
  });
});
