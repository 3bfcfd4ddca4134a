/**
 * Encodes, tunes, inverts, samples and decodes once, and prints the hash of every tensor on the
 * way, as one JSON object; `bench:determinism` starts it twice.
 */
import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import {
  createEngine,
  decodeLatents,
  encodeClip,
  encodePrompts,
  type HostTensor,
  type HostTensors,
  invert,
  meanLatents,
  openModel,
  openModelFiles,
  sample,
  startTensors,
  type TensorSource,
  tune,
} from "@retake/gpu-node";
import { namedTensor } from "../test/golden/sd-size-weights.js";
import { cacheDir, tinyCheckpoint } from "./places.js";
import { openSdSize } from "./sd-size.js";

function hashOf(values: {
  readonly buffer: ArrayBufferLike;
  byteOffset: number;
  byteLength: number;
}) {
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}

function hashOfAll(tensors: HostTensors): string {
  const names = Object.keys(tensors).sort();
  const texts = names.map((name) => `${name} ${hashOf(tensors[name]?.data ?? new Uint8Array())}`);
  return hashOf(Buffer.from(texts.join("\n")));
}

interface Work {
  readonly size: string;
  readonly frames: number;
  readonly pixels: number;
  readonly steps: number;
  readonly samplingCount: number;
  readonly threads: number;
}

const seed = 33;

/** The hash of each result, in the order in which they are made. */
async function hashes(work: Work): Promise<Readonly<Record<string, string>>> {
  const { frames, pixels, steps, samplingCount, threads } = work;
  const source = { source: tinyCheckpoint, cacheDir };
  const files = work.size === "sd" ? await openSdSize() : await openModelFiles(source);
  const engine = await createEngine("onnx-cpu", { threads, cacheDir });
  const model = openModel(files, engine);
  const noise = namedTensor("input.clip", [frames, pixels, pixels, 3]).data;
  const bytes = Uint8Array.from(noise, (value) => 127 + 60 * value);
  const clip = { pixels: bytes, frames, height: pixels, width: pixels };
  const texts = ["a man is skiing", "", "a bear is skiing"];
  const encoded = await encodePrompts(model, texts);
  const [prompt, empty, edit] = encoded.map(({ embedding }) => embedding);
  if (!prompt || !empty || !edit) throw new Error("expected three encoded prompts");
  const moments = await encodeClip(model, clip);
  const start = await startTensors(files, { seed, temporalStart: "authors" });
  const settings = { steps, learningRate: 3e-5, drawsPerStep: 2, seed, mode: "paper" } as const;
  const tuned = (memory: "fast" | "low"): Promise<{ tensors: HostTensors }> =>
    tune(model, { moments, prompt, tensors: start, settings: { ...settings, memory } });
  const [fast, low] = [await tuned("fast"), await tuned("low")];
  const tensors: TensorSource = async () => structuredClone({ ...start, ...fast.tensors });
  const clean: HostTensor = meanLatents(model, moments);
  const inversion = { latents: clean, emptyPrompt: empty, tensors, samplingCount };
  const latents = await invert(model, inversion);
  const sampling = { latents, prompt: edit, without: empty, tensors, samplingCount };
  const edited = await sample(model, { ...sampling, guidanceScale: 12.5 });
  const decoded = await decodeLatents(model, { latents: edited });
  await engine.close();
  return {
    prompts: hashOfAll({ prompt, empty, edit }),
    "posterior moments": hashOfAll({ ...moments }),
    "tuned tensors, fast": hashOfAll(fast.tensors),
    "tuned tensors, low memory": hashOfAll(low.tensors),
    "inverted latents": hashOf(latents.data),
    "sampled latents": hashOf(edited.data),
    frames: hashOf(decoded.pixels),
  };
}

const { values } = parseArgs({
  options: {
    size: { type: "string", default: "tiny" },
    frames: { type: "string", default: "8" },
    pixels: { type: "string", default: "64" },
    steps: { type: "string", default: "3" },
    ddim: { type: "string", default: "3" },
    threads: { type: "string", default: "2" },
  },
});
const work = {
  ...{ size: values.size, frames: Number(values.frames), pixels: Number(values.pixels) },
  ...{ steps: Number(values.steps), samplingCount: Number(values.ddim) },
  threads: Number(values.threads),
};
console.log(JSON.stringify(await hashes(work)));
