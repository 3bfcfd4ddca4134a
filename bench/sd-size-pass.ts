import { type Cost, cost } from "@retake/compile";
import type { HostTensor, ModelFiles } from "@retake/gpu-node";
import { compiledGraph } from "@retake/gpu-node/compiled-graph";
import { type ProgramSpec, unetTensors } from "@retake/model";
import { trainableTensors } from "@retake/model/tuning";
import { namedTensor } from "../test/golden/sd-size-weights.js";

/**
 * A forward pass, or loss and gradients with activations kept (`fast`) or computed again (`low`).
 */
export const passKinds = ["forward", "fast", "low"] as const;
export type PassKind = (typeof passKinds)[number];

/** How large the clip is in latent cells; frames are squares. */
export interface PassSize {
  readonly frames: number;
  readonly side: number;
}

/** The sizes that the figures are given for. */
export const figureSizes: Readonly<Record<PassKind, PassSize>> = {
  forward: { frames: 8, side: 32 },
  fast: { frames: 4, side: 32 },
  low: { frames: 4, side: 32 },
};

/** Takes a text for one of the kinds. */
export function passKind(text: string): PassKind {
  const kind = passKinds.find((candidate) => candidate === text);
  if (kind === undefined) throw new Error(`expected one of ${passKinds.join(", ")}, got ${text}`);
  return kind;
}

/** The program that a task runs for such a pass. */
export function passSpec(files: ModelFiles, kind: PassKind, size: PassSize): ProgramSpec {
  const { unetConfig: config, textConfig } = files;
  const { frames, side } = size;
  const { promptTokens } = textConfig;
  const shape = { batch: 1, frames, height: side, width: side, promptTokens };
  if (kind === "forward") return { kind: "unet", config, shape };
  const trainable = trainableTensors(unetTensors(config), "paper").map(({ name }) => name);
  return { kind: "unet-gradients", config, shape, trainable: trainable.sort(), memory: kind };
}

/** What the compiler predicts of a pass, from the graph that an engine compiles. */
export function predictedCost(spec: ProgramSpec): Cost {
  // Of these programs only the VAE's weights are few enough (onnx-session.ts).
  const blocksConvolutions = spec.kind === "vae-decode";
  return cost(compiledGraph(spec), { blocksConvolutions });
}

/** Latents of a clip: `[1, channels, frames, side, side]`, random. */
export function randomLatents(files: ModelFiles, { frames, side }: PassSize): HostTensor {
  return namedTensor("input.latents", [1, files.unetConfig.inChannels, frames, side, side]);
}

/** An encoded prompt: `[1, promptTokens, channels]`, random. */
export function randomPrompt(files: ModelFiles): HostTensor {
  const { promptTokens } = files.textConfig;
  return namedTensor("input.text", [1, promptTokens, files.unetConfig.crossAttentionDim]);
}
