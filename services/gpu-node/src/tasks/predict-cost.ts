import { type Cost, cost, recomputeActivations, traceProgram } from "@retake/compile";
import { createProgram, type ProgramSpec } from "@retake/model";
import type { TuningMode } from "@retake/model/tuning";
import type { ModelFiles } from "./model-files.js";
import { tuningLayout } from "./tuned-tensors.js";

/** What the passes of an edit are as large as. */
export interface WorkSizes {
  readonly frames: number;
  /** Of a frame, in pixels. */
  readonly height: number;
  readonly width: number;
  /** What is tuned; undefined where nothing is. */
  readonly tuning: { readonly mode: TuningMode; readonly memory: "fast" | "low" } | undefined;
  /** Guidance branches in one pass. */
  readonly branches: 1 | 2;
  readonly framesPerPass: number;
}

/** What one run of a program takes. */
export interface PassCost {
  /** Floating-point operations. */
  readonly flops: number;
  /** Private memory: activations, inputs and, where the pass tunes, the vectors of the tuning. */
  readonly memoryBytes: number;
  /** Weights, which stay in their file and are shared. */
  readonly weightBytes: number;
}

export type PassName = "text" | "vae-encode" | "vae-decode" | "unet" | "unet-gradients";
export type PassCosts = Readonly<Partial<Record<PassName, PassCost>>>;

/** Weights, two moments and a gradient. */
const tuningVectors = 4;
const bytesPerValue = 4;

/** Predicts what each kind of pass takes, from the graph that will be run. Nothing is run. */
export function predictCost(files: ModelFiles, sizes: WorkSizes): PassCosts {
  const vectorBytes =
    sizes.tuning === undefined
      ? 0
      : tuningLayout(files, sizes.tuning.mode).length * bytesPerValue * tuningVectors;
  const passes = specsOf(files, sizes).map((spec): [string, PassCost] => {
    const { flops, runBytesMax, inputBytes, weightBytes } = costOf(spec);
    const own = spec.kind === "unet-gradients" ? vectorBytes : 0;
    return [spec.kind, { flops, memoryBytes: runBytesMax + inputBytes + own, weightBytes }];
  });
  return Object.fromEntries(passes);
}

function costOf(spec: ProgramSpec): Cost {
  const graph = traceProgram(createProgram(spec));
  const isLow = spec.kind === "unet-gradients" && spec.memory === "low";
  return cost(isLow ? recomputeActivations(graph) : graph);
}

function specsOf(files: ModelFiles, sizes: WorkSizes): readonly ProgramSpec[] {
  const { frames, framesPerPass, tuning } = sizes;
  const { unetConfig, vaeConfig, textConfig, latentFactor } = files;
  const [height, width] = [sizes.height / latentFactor, sizes.width / latentFactor];
  const { promptTokens } = textConfig;
  const once = Math.min(framesPerPass, frames);
  const shape = { frames, height, width, promptTokens };
  const specs: ProgramSpec[] = [
    { kind: "text", config: textConfig, batch: 1 },
    {
      ...{ kind: "vae-encode", config: vaeConfig, frames: once },
      ...{ height: sizes.height, width: sizes.width },
    },
    { kind: "unet", config: unetConfig, shape: { batch: sizes.branches, ...shape } },
    { kind: "vae-decode", config: vaeConfig, frames: once, height, width },
  ];
  if (tuning === undefined) return specs;
  const trainable = tuningLayout(files, tuning.mode).entries.map(({ name }) => name);
  const { memory } = tuning;
  const batched = { batch: 1, ...shape };
  const gradients = { config: unetConfig, shape: batched, trainable, memory };
  return [...specs, { kind: "unet-gradients", ...gradients }];
}
