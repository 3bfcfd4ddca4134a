import { describe, expect, it } from "vitest";
import { type FakeProgram, fakeEngine, fakeModel, inputValues } from "../testing/fake-model.js";
import { decodeLatents } from "./decode-latents.js";
import { hostTensor } from "./host-tensors.js";

/** Paints a frame in the colour of the first three channels of its first cell. */
const painted: FakeProgram = (spec, inputs) => {
  if (spec.kind !== "vae-decode") throw new Error(`not a program for ${spec.kind}`);
  const { frames, height, width } = spec;
  const area = 4 * height * width;
  const latents = inputValues(inputs, "latents");
  const pixels = new Float32Array(frames * 3 * area);
  for (let plane = 0; plane < frames * 3; plane += 1) {
    const channel = Math.floor(plane / 3) * 4 + (plane % 3);
    pixels.fill(latents[channel * height * width] ?? 0, plane * area, (plane + 1) * area);
  }
  return { pixels: hostTensor([frames, 3, 2 * height, 2 * width], pixels) };
};

/** Two frames of one cell: white, then blue. Channel by channel, each for both frames. */
function latentsOf(scale: number) {
  return hostTensor(
    [1, 4, 2, 1, 1],
    new Float32Array([1, -1, 1, -1, 1, 1, 9, 9]).map((v) => v * scale),
  );
}

describe("decodeLatents", () => {
  it.each([1, 2])("gives the frames in order, %i a pass", async (framesPerPass) => {
    const engine = fakeEngine(painted);
    const model = fakeModel(engine);
    const latents = latentsOf(model.files.vaeConfig.scalingFactor);
    const clip = await decodeLatents(model, { latents, framesPerPass });
    expect([clip.frames, clip.height, clip.width]).toEqual([2, 2, 2]);
    const white = Array<number>(12).fill(255);
    const blue = Array.from({ length: 12 }, (_, i) => (i % 3 === 2 ? 255 : 0));
    expect([...clip.pixels]).toEqual([...white, ...blue]);
    expect(engine.runs.length).toBe(2 / framesPerPass);
  });

  it("frees the programs of other phases", async () => {
    const engine = fakeEngine((spec, inputs) =>
      spec.kind === "text"
        ? { hidden: hostTensor([1, 4, 4], new Float32Array(16)) }
        : painted(spec, inputs),
    );
    const model = fakeModel(engine);
    const config = model.files.textConfig;
    await model.programs.run({ kind: "text", config, batch: 1 }, { each: {} }, {});
    await decodeLatents(model, { latents: latentsOf(1) });
    expect(engine.closed).toEqual(["text"]);
  });
});
