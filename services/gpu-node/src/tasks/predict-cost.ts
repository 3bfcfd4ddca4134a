import { type Cost, cost, recomputeActivations, traceProgram } from "@retake/compile";
import { createProgram, type ProgramSpec } from "@retake/model";
import { editPrograms, type WorkSizes } from "./edit-programs.js";
import type { ModelFiles } from "./model-files.js";
import { tuningLayout } from "./tuned-tensors.js";

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
  const passes = editPrograms(files, sizes).map((spec): [string, PassCost] => {
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
