import { describe, expect, it } from "vitest";
import { type FakeProgram, fakeEngine, fakeModel, filled } from "../testing/fake-model.js";
import { encodePrompts } from "./encode-prompts.js";

/** Says the first token of the prompt, which in a fake model is the prompt's length. */
const firstToken: FakeProgram = (spec, { ids }) => {
  if (spec.kind !== "text") throw new Error(`not a program for ${spec.kind}`);
  return { hidden: filled([spec.batch, 4, 4], ids?.data[0] ?? 0) };
};

describe("encodePrompts", () => {
  it("encodes each prompt by itself, in order", async () => {
    const engine = fakeEngine(firstToken);
    const encoded = await encodePrompts(fakeModel(engine), ["", "a car", "a horse"]);
    expect(encoded.map(({ embedding }) => embedding.data[0])).toEqual([0, 5, 7]);
    expect(encoded.map(({ embedding }) => embedding.shape)).toEqual(Array(3).fill([1, 4, 4]));
    expect(engine.runs.map((spec) => spec.kind === "text" && spec.batch)).toEqual([1, 1, 1]);
  });

  it("says which prompts are longer than the encoder reads", async () => {
    const encoded = await encodePrompts(fakeModel(fakeEngine(firstToken)), ["a car", "a horse"]);
    expect(encoded.map(({ truncated }) => truncated)).toEqual([false, true]);
  });

  it("stops before a prompt", async () => {
    const engine = fakeEngine(firstToken);
    const work = encodePrompts(fakeModel(engine), ["a"], { signal: AbortSignal.abort() });
    await expect(work).rejects.toMatchObject({ reason: "stopped" });
    expect(engine.runs).toEqual([]);
  });
});
