import { cost, type FrameCoupling, frameCoupling, traceProgram } from "@retake/compile";
import { createProgram } from "@retake/model";
import { compiledGraph } from "../runtime/compiled-graph.js";
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
    const { flops, runBytesMax, inputBytes, weightBytes } = cost(compiledGraph(spec));
    const own = spec.kind === "unet-gradients" ? vectorBytes : 0;
    return [spec.kind, { flops, memoryBytes: runBytesMax + inputBytes + own, weightBytes }];
  });
  return Object.fromEntries(passes);
}

/** Latent cells along the side of the pass that is looked at: what crosses is linear in pixels. */
const couplingSide = 16;

/** What nodes exchange that share the frames of a clip, for each pixel of a frame. */
export function frameCouplingPerPixel(files: ModelFiles): FrameCoupling {
  const { unetConfig: config, textConfig, latentFactor } = files;
  const [height, width] = [couplingSide, couplingSide];
  const { promptTokens } = textConfig;
  const shape = { batch: 1, frames: 4, height, width, promptTokens };
  const shard = { rank: 1, frameCounts: [2, 2] };
  const graph = traceProgram(createProgram({ kind: "unet", config, shape, shard }));
  const { waits, haloBytes, siteBytesPerFrame } = frameCoupling(graph);
  const pixels = (couplingSide * latentFactor) ** 2;
  return { waits, haloBytes: haloBytes / pixels, siteBytesPerFrame: siteBytesPerFrame / pixels };
}
