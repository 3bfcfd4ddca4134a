import { describe, expect, it } from "vitest";
import {
  counted,
  type FakeProgram,
  fakeEngine,
  fakeModel,
  inputValues,
} from "../testing/fake-model.js";
import { encodeClip, meanLatents, posteriorOf } from "./encode-clip.js";
import { hostTensor } from "./host-tensors.js";

/** Says of each frame: its first red value in every cell of channel 0, and a variance of one. */
const firstRed: FakeProgram = (spec, inputs) => {
  if (spec.kind !== "vae-encode") throw new Error(`not a program for ${spec.kind}`);
  const { frames, height, width } = spec;
  const cells = (height / 2) * (width / 2);
  const pixels = inputValues(inputs, "pixels");
  const mean = new Float32Array(frames * 4 * cells);
  for (let frame = 0; frame < frames; frame += 1) {
    const from = frame * 4 * cells;
    mean.fill(pixels[frame * 3 * height * width] ?? 0, from, from + cells);
  }
  const shape = [frames, 4, height / 2, width / 2];
  return {
    mean: hostTensor(shape, mean),
    logvar: hostTensor(
      shape,
      mean.map(() => 0),
    ),
  };
};

const bytes = Uint8Array.from({ length: 3 * 4 * 4 * 3 }, (_, i) => Math.floor(i / 48) * 51);
const clip = { pixels: bytes, frames: 3, height: 4, width: 4 };

describe("encodeClip", () => {
  it("gives the moments in the order of the U-Net, a frame at a time", async () => {
    const engine = fakeEngine(firstRed);
    const { mean, logVariance } = await encodeClip(fakeModel(engine), clip);
    expect(mean.shape).toEqual([1, 4, 3, 2, 2]);
    const [first, second, third] = [-1, Math.fround(51 / 127.5) - 1, Math.fround(102 / 127.5) - 1];
    const reds = [first, second, third].flatMap((red) => Array<number>(4).fill(red ?? 0));
    expect(mean.data.subarray(0, 12)).toEqual(new Float32Array(reds));
    expect(new Set(mean.data.subarray(12))).toEqual(new Set([0]));
    expect(logVariance.shape).toEqual(mean.shape);
    expect(engine.runs.length).toBe(3);
  });

  it("encodes several frames a pass where asked to, and the rest in a smaller one", async () => {
    const engine = fakeEngine(firstRed);
    const joined = await encodeClip(fakeModel(engine), { ...clip, framesPerPass: 2 });
    expect(engine.runs.map((spec) => "frames" in spec && spec.frames)).toEqual([2, 1]);
    expect(joined).toEqual(await encodeClip(fakeModel(fakeEngine(firstRed)), clip));
  });

  it("reports each frame, and stops between two", async () => {
    const stop = new AbortController();
    const done: number[] = [];
    const onProgress = (progress: { done: number }): void => {
      done.push(progress.done);
      if (progress.done === 2) stop.abort();
    };
    const work = encodeClip(fakeModel(fakeEngine(firstRed)), clip, {
      signal: stop.signal,
      onProgress,
    });
    await expect(work).rejects.toMatchObject({ reason: "stopped" });
    expect(done).toEqual([0, 1, 2]);
  });

  it("refuses sides that the VAE cannot halve", async () => {
    const odd = { pixels: new Uint8Array(3 * 5 * 4), frames: 1, height: 5, width: 4 };
    const work = encodeClip(fakeModel(fakeEngine(firstRed)), odd);
    await expect(work).rejects.toMatchObject({ reason: "frame-size" });
  });
});

describe("meanLatents", () => {
  it("is the mean times the VAE's scale, whatever the variance", () => {
    const model = fakeModel(fakeEngine(firstRed));
    const shape = [1, 4, 1, 1, 1];
    const latents = meanLatents(model, { mean: counted(shape, 1), logVariance: counted(shape) });
    const scaled = [1, 2, 3, 4].map((mean) => mean * model.files.vaeConfig.scalingFactor);
    expect(latents.data).toEqual(new Float32Array(scaled));
  });

  it("differs from a draw by the noise times the deviation", () => {
    const model = fakeModel(fakeEngine(firstRed));
    const shape = [1, 4, 1, 1, 1];
    const unit = { mean: counted(shape), logVariance: hostTensor(shape, new Float32Array(4)) };
    const drawn = posteriorOf(model, unit, new Float32Array([1, 0, 0, -1]));
    const scale = model.files.vaeConfig.scalingFactor;
    expect(drawn.data).toEqual(new Float32Array([1, 1, 2, 2].map((value) => value * scale)));
  });
});
