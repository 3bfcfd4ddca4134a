import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  createEngine,
  decodeLatents,
  type Engine,
  encodeClip,
  encodePrompts,
  type HostTensor,
  invert,
  type Model,
  meanLatents,
  openModel,
  openModelFiles,
  sample,
  startTensors,
  type TensorSource,
} from "@retake/gpu-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTensorFile, type TensorFile } from "../golden/tensor-file.js";

const golden = fileURLToPath(new URL("../golden/data", import.meta.url));

/** The largest difference, as a share of the reference's largest value. */
function error(got: ArrayLike<number>, reference: ArrayLike<number>): number {
  let [difference, largest] = [0, 0];
  for (let i = 0; i < reference.length; i += 1) {
    difference = Math.max(difference, Math.abs((got[i] ?? Number.NaN) - (reference[i] ?? 0)));
    largest = Math.max(largest, Math.abs(reference[i] ?? 0));
  }
  return got.length === reference.length ? difference / largest : Number.NaN;
}

/** The task functions, against what the authors' program computed with the same weights. */
describe("the tasks of an edit", () => {
  let folder: string;
  let engine: Engine;
  let model: Model;
  let edit: TensorFile;
  let tensors: TensorSource;
  let prompts: Readonly<Record<"empty" | "prompt" | "negative", HostTensor>>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "retake-tasks-"));
    const files = await openModelFiles({ source: join(golden, "tiny-sd"), cacheDir: folder });
    engine = await createEngine("onnx-cpu", { threads: 1 });
    model = openModel(files, engine);
    edit = await openTensorFile(join(golden, "edit.safetensors"));
    const live = await openTensorFile(join(golden, "temporal.safetensors"));
    const start = await startTensors(files, { seed: 0, temporalStart: "no-op" });
    const temporal = await Promise.all(
      live.names.map(async (name) => [name, await live.tensor(name)] as const),
    );
    tensors = async () => structuredClone({ ...start, ...Object.fromEntries(temporal) });
    const sentences = ["", String(edit.info["prompt"]), String(edit.info["negative"])];
    const [empty, prompt, negative] = await encodePrompts(model, sentences);
    if (!empty || !prompt || !negative) throw new Error("expected three encodings");
    prompts = {
      ...{ empty: empty.embedding, prompt: prompt.embedding, negative: negative.embedding },
    };
  });
  afterAll(async () => {
    await engine.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("encode a clip to the authors' latents", async () => {
    const pixels = Uint8Array.from(await edit.values("clip_u8"));
    const [frames = 0, height = 0, width = 0] = edit.shape("clip_u8");
    const moments = await encodeClip(model, { pixels, frames, height, width });
    const { data, shape } = meanLatents(model, moments);
    expect(shape).toEqual(edit.shape("latents_mean"));
    expect(error(data, await edit.values("latents_mean"))).toBeLessThan(5e-4);
  });

  it("invert them to the authors' noise", async () => {
    const latents = await edit.tensor("latents_sample");
    const emptyPrompt = prompts.empty;
    const inverted = await invert(model, { latents, emptyPrompt, tensors, samplingCount: 10 });
    expect(error(inverted.data, await edit.values("inversion10/last"))).toBeLessThan(5e-5);
  });

  it.each([
    { run: "sample10_g12.5", guidanceScale: 12.5, without: "empty" },
    { run: "sample10_g7.5_negative", guidanceScale: 7.5, without: "negative" },
    { run: "sample10_g1", guidanceScale: 1, without: "empty" },
  ] as const)("sample and decode the authors' frames: $run", async (given) => {
    const { run, guidanceScale, without } = given;
    const latents = await sample(model, {
      ...{ latents: await edit.tensor("inversion10/last"), prompt: prompts.prompt },
      ...{ without: prompts[without], tensors, samplingCount: 10, guidanceScale },
    });
    const steps = await edit.values(`${run}/latents`);
    expect(error(latents.data, steps.subarray(-latents.data.length))).toBeLessThan(5e-4);

    const { pixels } = await decodeLatents(model, { latents });
    const reference = await edit.values(`${run}/video_u8`);
    const plane = pixels.length / 3;
    let differing = 0;
    for (let i = 0; i < plane * 3; i += 1) {
      // Theirs holds one plane per colour, ours the colours of a pixel together.
      const off = (pixels[(i % plane) * 3 + Math.floor(i / plane)] ?? 0) - (reference[i] ?? 0);
      if (Math.abs(off) > 1) throw new Error(`expected at most 1 level off, got ${off} at ${i}`);
      if (off !== 0) differing += 1;
    }
    // Ten times what float32 differs from float64 by.
    expect(differing / pixels.length).toBeLessThan(0.007);
  });
});
