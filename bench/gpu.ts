import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { openSafetensors } from "@retake/checkpoint";
import {
  createEngine,
  type EngineName,
  type HostTensors,
  type LoadedProgram,
  type WeightLocations,
} from "@retake/gpu-node";
import { createProgram, type ProgramSpec, type UNetConfig } from "@retake/model";
import { isTrainable } from "@retake/model/tuning";
import { namedTensor, openNamedWeights } from "../test/golden/sd-size-weights.js";

/**
 * Times the SD-size U-Net on one engine of this machine, one JSON object a line. With `gpu/pack.sh`
 * and `gpu/unpack.sh` it runs on a machine with a GPU that reaches no network; `gpu/peer.py` times
 * the authors' code there.
 */
const { values: options } = parseArgs({
  options: {
    engine: { type: "string", default: "onnx-webgpu" },
    cache: { type: "string", default: "/tmp/retake-gpu" },
    golden: { type: "string" },
    work: { type: "string", default: "forward:8x32,step:4x32,forward:24x64,low:8x64" },
    runs: { type: "string", default: "5" },
  },
});

const config: UNetConfig = {
  ...{ inChannels: 4, outChannels: 4, blockOutChannels: [320, 640, 1280, 1280] },
  ...{ downAttention: [true, true, true, false], upAttention: [false, true, true, true] },
  ...{ layersPerBlock: 2, heads: [8, 8, 8, 8], crossAttentionDim: 768, normGroups: 32 },
  ...{ normEps: 1e-5, flipSinToCos: true, freqShift: 0, downsamplePadding: 1 },
};

/** SHA-256 of the weights that the golden data's rule gives. */
const weightsHash = "3409fd3a4b6d16718ce09a407416491ff1590c53b62c3ba44c4cfec1f56c0862";

function gpuMegabytesUsed(): number | undefined {
  try {
    const query = ["--query-gpu=memory.used", "--format=csv,noheader,nounits"];
    return Number(execFileSync("nvidia-smi", query, { encoding: "utf8" }).trim());
  } catch {
    return undefined;
  }
}

function specOf(work: string): ProgramSpec {
  const match = /^(forward|step|low):(\d+)x(\d+)$/.exec(work);
  if (match === null) throw new Error(`--work: expected forward:8x32 and the like, got ${work}`);
  const [, kind, frames, size] = match;
  const [height, width] = [Number(size), Number(size)];
  const shape = { batch: 1, frames: Number(frames), height, width, promptTokens: 77 };
  if (kind === "forward") return { kind: "unet", config, shape };
  const memory = kind === "low" ? "low" : "fast";
  const inputs = createProgram({ kind: "unet", config, shape }).inputs;
  const trainable = inputs.map(({ name }) => name).filter((name) => isTrainable(name, "paper"));
  return { kind: "unet-gradients", config, shape, trainable, memory };
}

/** Inputs by the golden data's rule: tensors of the network by their key. */
function inputsOf(spec: ProgramSpec): HostTensors {
  const names: Readonly<Record<string, string>> = {
    latents: "input.forward.sample",
    prompt: "input.forward.text",
  };
  return Object.fromEntries(
    createProgram(spec).inputs.map(({ name, shape }) => [
      name,
      name === "timestepSinusoid" ? sinusoid(shape) : namedTensor(names[name] ?? name, shape),
    ]),
  );
}

function sinusoid(shape: readonly number[]): { shape: readonly number[]; data: Float32Array } {
  const [rows = 1, channels = 2] = shape;
  const half = channels / 2;
  const row = Array.from({ length: channels }, (_, i) => {
    const angle = 481 * Math.exp((-Math.log(10000) * (i % half)) / half);
    return i < half ? Math.cos(angle) : Math.sin(angle);
  });
  return { shape, data: Float32Array.from(Array.from({ length: rows }, () => row).flat()) };
}

async function timed(program: LoadedProgram, spec: ProgramSpec): Promise<object> {
  const inputs = inputsOf(spec);
  await program.fix(inputs);
  const seconds: number[] = [];
  let megabytes = 0;
  for (let run = 0; run <= Number(options.runs); run += 1) {
    const from = performance.now();
    const outputs = await program.run({});
    seconds.push((performance.now() - from) / 1000);
    megabytes = Math.max(megabytes, gpuMegabytesUsed() ?? 0);
    const finite = Object.values(outputs).every(({ data }) => Number.isFinite(data[0]));
    if (!finite) return { error: "the result is not finite" };
  }
  const [warmUp, ...rest] = seconds;
  return { warmUp, seconds: Math.min(...rest), all: rest, gpuMegabytes: megabytes };
}

async function goldenError(run: (spec: ProgramSpec) => Promise<LoadedProgram>): Promise<object> {
  if (options.golden === undefined) return { golden: "not given" };
  const { entries } = await openSafetensors(options.golden);
  const reference = entries.get("forward.out");
  if (reference === undefined) return { golden: "has no forward.out" };
  const { readFloat32 } = await import("@retake/checkpoint");
  const expected = await readFloat32(reference);
  const [, , frames = 1, size = 1] = reference.shape;
  const spec = specOf(`forward:${frames}x${size}`);
  const program = await run(spec);
  const { predictedNoise } = await program.run(inputsOf(spec));
  await program.close();
  const most = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  const error = expected.reduce(
    (max, value, i) => Math.max(max, Math.abs(value - (predictedNoise?.data[i] ?? Number.NaN))),
    0,
  );
  return { golden: "forward.out", errorOfMax: error / most };
}

async function main(): Promise<void> {
  mkdirSync(options.cache, { recursive: true });
  const { entries } = await openNamedWeights(config, {
    cacheDir: options.cache,
    expected: weightsHash,
  });
  const weights = entries as WeightLocations;
  const engine = await createEngine(options.engine as EngineName, { threads: 8 });
  const print = (result: object): void => console.log(JSON.stringify(result));
  const load = (spec: ProgramSpec): Promise<LoadedProgram> => engine.load(spec, weights);
  print({ engine: options.engine, ...(await goldenError(load)) });
  for (const work of options.work.split(",")) {
    const from = performance.now();
    try {
      const program = await load(specOf(work));
      const loadSeconds = (performance.now() - from) / 1000;
      print({ engine: options.engine, work, loadSeconds, ...(await timed(program, specOf(work))) });
      await program.close();
    } catch (thrown) {
      print({ engine: options.engine, work, error: String(thrown).slice(0, 600) });
    }
  }
  await engine.close();
}

await main();
