/**
 * Passes of the U-Net in a process of its own, for `bench:layouts`: says when it is ready, and
 * after each line of its input how long so many passes took.
 */
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import {
  createEngine,
  type HostTensor,
  invert,
  openModel,
  openModelFiles,
  startTensors,
  tune,
} from "@retake/gpu-node";

const seed = 33;
/** The first one is not measured: it makes the engine's buffers. */
const warmUps = 1;

function randomTensor(shape: readonly number[]): HostTensor {
  const size = shape.reduce((product, axis) => product * axis, 1);
  return { shape, data: Float32Array.from({ length: size }, (_, i) => Math.sin(i * 12.9898)) };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      kind: { type: "string", default: "unet" },
      model: { type: "string", default: "" },
      cache: { type: "string", default: "" },
      frames: { type: "string", default: "8" },
      side: { type: "string", default: "8" },
      passes: { type: "string", default: "4" },
    },
  });
  const { kind, model: source, cache: cacheDir } = values;
  const [frames, side, passes] = [values.frames, values.side, values.passes].map(Number);
  const engine = await createEngine("onnx-cpu", { threads: 1, cacheDir });
  const model = openModel(await openModelFiles({ source, cacheDir }), engine);
  const { unetConfig, textConfig } = model.files;
  const sizes = [1, unetConfig.inChannels, frames ?? 1, side ?? 1, side ?? 1];
  const latents = randomTensor(sizes);
  const prompt = randomTensor([1, textConfig.promptTokens, unetConfig.crossAttentionDim]);
  const start = await startTensors(model.files, { seed, temporalStart: "no-op" });
  const count = (passes ?? 1) + warmUps;
  const times: number[] = [];
  const control = { onProgress: () => times.push(performance.now()) };
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const work = async (): Promise<void> => {
    if (kind === "unet") {
      const tensors = async () => structuredClone(start);
      const input = { latents, emptyPrompt: prompt, tensors, samplingCount: count };
      await invert(model, input, control);
      return;
    }
    const settings = { steps: count, learningRate: 1e-5, drawsPerStep: 1, seed } as const;
    await tune(
      model,
      {
        ...{ moments: { mean: latents, logVariance: latents }, prompt },
        tensors: structuredClone(start),
        settings: { ...settings, mode: "paper", memory: "fast" },
      },
      control,
    );
  };
  await work();
  console.log(JSON.stringify({ ready: true }));
  for (;;) {
    const line = await lines.next();
    if (line.done === true) break;
    times.length = 0;
    await work();
    const [first = 0, last = 0] = [times[warmUps], times.at(-1)];
    console.log(JSON.stringify({ ms: (last - first) / (times.length - 1 - warmUps) }));
  }
  await engine.close();
}

await main();
