/**
 * One measurement of our U-Net at the size of Stable Diffusion 1.x, by the functions that an edit
 * calls; prints one JSON object, as the peer's program does. `bench:unet` starts it.
 */
import { parseArgs } from "node:util";
import {
  createEngine,
  invert,
  type Model,
  openModel,
  startTensors,
  type TensorSource,
  tune,
} from "@retake/gpu-node";
import { unetTensors } from "@retake/model";
import { trainableTensors } from "@retake/model/tuning";
import { cacheDir } from "./places.js";
import { openSdSize } from "./sd-size.js";
import {
  type PassKind,
  type PassSize,
  passKind,
  randomLatents,
  randomPrompt,
} from "./sd-size-pass.js";

interface Pass {
  readonly kind: PassKind;
  readonly size: PassSize;
  /** Measured runs, after one that is not. */
  readonly runs: number;
}

const seed = 33;

/** Runs so many passes, and calls `onPass` before the first and after each. */
async function runPasses(
  model: Model,
  { kind, size, runs }: Pass,
  onPass: () => void,
): Promise<void> {
  const latents = randomLatents(model.files, size);
  const prompt = randomPrompt(model.files);
  const control = { onProgress: onPass };
  const tensors: TensorSource = () => startTensors(model.files, { seed, temporalStart: "authors" });
  if (kind === "forward") {
    const input = { latents, emptyPrompt: prompt, tensors, samplingCount: runs + 1 };
    await invert(model, input, control);
    return;
  }
  const settings = { steps: runs + 1, learningRate: 3e-5, drawsPerStep: 1, seed } as const;
  await tune(
    model,
    {
      moments: { mean: latents, logVariance: latents },
      ...{ prompt, tensors: await tensors() },
      settings: { ...settings, mode: "paper", memory: kind },
    },
    control,
  );
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      what: { type: "string", default: "forward" },
      frames: { type: "string", default: "8" },
      size: { type: "string", default: "32" },
      threads: { type: "string", default: "2" },
      runs: { type: "string", default: "2" },
    },
  });
  const kind = passKind(values.what);
  const size = { frames: Number(values.frames), side: Number(values.size) };
  const threads = Number(values.threads);
  const engine = await createEngine("onnx-cpu", { threads, cacheDir });
  const model = openModel(await openSdSize(), engine);
  const times: number[] = [];
  const pass = { kind, size, runs: Number(values.runs) };
  await runPasses(model, pass, () => times.push(performance.now()));
  const all = times.map((time, i) => (time - (times[i - 1] ?? time)) / 1000).slice(2);
  const trained = trainableTensors(unetTensors(model.files.unetConfig), "paper");
  await engine.close();
  const report = {
    ...{ what: kind, engine: engine.name, numericsId: engine.numericsId, ...size, threads },
    ...{ seconds: Math.min(...all), all, trained: trained.length },
    rssHighWater: 1024 * process.resourceUsage().maxRSS,
  };
  console.log(JSON.stringify(report));
}

await main();
