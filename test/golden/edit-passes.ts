import type { HostTensor, HostTensors } from "@retake/gpu-node";
import { vaeFactor } from "@retake/model";
import * as diffusion from "@retake/model/diffusion";
import { inputsOfPass, shapeOfPass } from "./denoiser.js";
import type { GoldenContext } from "./golden-context.js";
import { outputOf, withProgram } from "./golden-model.js";
import type { Numbers } from "./tensor-file.js";
import type { TemporalSet } from "./tunable-tensors.js";

/** What the network says about latents at a timestep. */
export type Predict = (
  latents: Float32Array,
  timestep: number,
  prompt: HostTensor,
) => Promise<Float32Array>;

/** The embedding of one prompt: `[1, promptTokens, width]`. */
export async function promptEmbedding(context: GoldenContext, text: string): Promise<HostTensor> {
  const { engine, textConfig: config, textWeights: weights, tokenizer } = context.model;
  const { ids } = tokenizer.tokenize(text);
  const spec = { kind: "text", config, batch: 1 } as const;
  const inputs = { ids: { shape: [1, ids.length], data: ids } };
  const outputs = await withProgram(engine, { spec, weights }, (run) => run(inputs));
  return outputs.hidden ?? { shape: [], data: new Float32Array() };
}

/** Opens a U-Net for latents of one shape; `close` it. */
export async function openPredict(
  context: GoldenContext,
  options: {
    readonly latentShape: readonly number[];
    readonly prompt: HostTensor;
    readonly temporal: TemporalSet;
  },
): Promise<{ readonly predict: Predict; readonly close: () => Promise<void> }> {
  const { engine, unetConfig: config, unetWeights: weights } = context.model;
  const tensors = context.tensors[options.temporal];
  const shape = options.latentShape;
  const sized = { shape, data: new Float32Array() };
  const spec = { kind: "unet", config, shape: shapeOfPass(sized, options.prompt) } as const;
  const loaded = await engine.load(spec, weights);
  return {
    predict: async (data, timestep, prompt) => {
      const pass = { latents: { shape, data }, prompt, timesteps: [timestep], tensors };
      return outputOf(await loaded.run(inputsOfPass(config, pass)), "predictedNoise");
    },
    close: () => loaded.close(),
  };
}

/** Inverts latents to noise: the latents after each iteration, the start first. */
export async function invertedTrajectory(
  schedule: diffusion.Schedule,
  options: {
    readonly start: Float32Array;
    readonly samplingCount: number;
    readonly prompt: HostTensor;
    readonly predict: Predict;
  },
): Promise<readonly Float32Array[]> {
  const { samplingCount, prompt, predict } = options;
  const trajectory = [options.start];
  let latents = options.start;
  for (const timestep of diffusion.samplingTimesteps(schedule, samplingCount).toReversed()) {
    const prediction = await predict(latents, timestep, prompt);
    const step = { latents, prediction, timestep, samplingCount };
    latents = diffusion.invertedLatents(schedule, step);
    trajectory.push(latents);
  }
  return trajectory;
}

/** Samples from noise: the latents after each iteration. */
export async function sampledTrajectory(
  schedule: diffusion.Schedule,
  options: {
    readonly start: Float32Array;
    readonly samplingCount: number;
    readonly guidanceScale: number;
    readonly prompt: HostTensor;
    readonly negative: HostTensor;
    readonly predict: Predict;
  },
): Promise<readonly Float32Array[]> {
  const { samplingCount, guidanceScale, prompt, negative, predict } = options;
  const trajectory: Float32Array[] = [];
  let latents = options.start;
  for (const timestep of diffusion.samplingTimesteps(schedule, samplingCount)) {
    const prompted = await predict(latents, timestep, prompt);
    const prediction =
      guidanceScale > 1
        ? diffusion.guidedPrediction(
            { without: await predict(latents, timestep, negative), with: prompted },
            guidanceScale,
          )
        : prompted;
    latents = diffusion.denoisedLatents(schedule, { latents, prediction, timestep, samplingCount });
    trajectory.push(latents);
  }
  return trajectory;
}

/** A clip's posterior moments, frame by frame: `[frames, channels, height, width]`, unscaled. */
export async function encodedClip(
  context: GoldenContext,
  clip: { readonly pixels: Numbers; readonly shape: readonly number[] },
): Promise<diffusion.PosteriorMoments> {
  const { engine, vaeConfig: config } = context.model;
  const [frames = 0, height = 0, width = 0, channels = 0] = clip.shape;
  const weights = firstOf(context.model.vaeWeights);
  const spec = { kind: "vae-encode", config, frames: 1, height, width } as const;
  const size = height * width;
  const outputs = await withProgram(engine, { spec, weights }, (run) =>
    forEachFrame(frames, async (frame) => {
      const data = Float32Array.from({ length: channels * size }, (_, i) => {
        const value = clip.pixels[(frame * size + (i % size)) * channels + Math.floor(i / size)];
        return Math.fround((value ?? 0) / 127.5) - 1;
      });
      return run({ pixels: { shape: [1, channels, height, width], data } });
    }),
  );
  const joined = (name: string): Float32Array =>
    Float32Array.from(outputs.flatMap((output) => Array.from(outputOf(output, name))));
  return { mean: joined("mean"), logVariance: joined("logvar") };
}

/** Frames of latents as pixels in 0...1, clamped: `[channels, frames, height, width]`. */
export async function decodedFrames(
  context: GoldenContext,
  latents: { readonly data: Float32Array; readonly shape: readonly number[] },
): Promise<Float32Array> {
  const { engine, vaeConfig: config } = context.model;
  const [channels = 0, frames = 0, height = 0, width = 0] = latents.shape.slice(-4);
  const weights = firstOf(context.model.vaeWeights);
  const spec = { kind: "vae-decode", config, frames: 1, height, width } as const;
  const scaled = latents.data.map((value) => value / config.scalingFactor);
  const byFrame = diffusion.framesFirst(scaled, { frames, channels, tokens: height * width });
  const size = channels * height * width;
  const outputs = await withProgram(engine, { spec, weights }, (run) =>
    forEachFrame(frames, (frame) => {
      const data = byFrame.slice(frame * size, (frame + 1) * size);
      return run({ latents: { shape: [1, channels, height, width], data } });
    }),
  );
  const pixels = outputs.flatMap((output) => Array.from(outputOf(output, "pixels")));
  const tokens = height * width * vaeFactor(config) ** 2;
  const sizes = { frames, channels: config.outChannels, tokens };
  return diffusion
    .channelsFirst(Float32Array.from(pixels), sizes)
    .map((value) => Math.min(Math.max(Math.fround(value / 2) + 0.5, 0), 1));
}

async function forEachFrame(
  frames: number,
  call: (frame: number) => Promise<HostTensors>,
): Promise<readonly HostTensors[]> {
  const results: HostTensors[] = [];
  for (let frame = 0; frame < frames; frame += 1) results.push(await call(frame));
  return results;
}

function firstOf<Value>(values: ReadonlyMap<string, Value>): Value {
  for (const value of values.values()) return value;
  throw new Error("there are no VAE weights");
}
