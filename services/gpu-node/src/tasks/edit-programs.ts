import type { ProgramSpec, UNetShape } from "@retake/model";
import type { TuningMode } from "@retake/model/tuning";
import type { ModelFiles } from "./model-files.js";
import type { Model } from "./open-model.js";
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

/** The programs that an edit runs, in the order in which it does. */
export function editPrograms(files: ModelFiles, sizes: WorkSizes): readonly ProgramSpec[] {
  const { frames, framesPerPass, tuning } = sizes;
  const { unetConfig, vaeConfig, textConfig, latentFactor } = files;
  const [height, width] = [sizes.height / latentFactor, sizes.width / latentFactor];
  const { promptTokens } = textConfig;
  const once = Math.min(framesPerPass, frames);
  const shape = { frames, height, width, promptTokens };
  return [
    { kind: "text", config: textConfig, batch: 1 },
    {
      ...{ kind: "vae-encode", config: vaeConfig, frames: once },
      ...{ height: sizes.height, width: sizes.width },
    },
    ...(tuning === undefined ? [] : [gradients(files, { tuning, shape })]),
    { kind: "unet", config: unetConfig, shape: { batch: sizes.branches, ...shape } },
    { kind: "vae-decode", config: vaeConfig, frames: once, height, width },
  ];
}

function gradients(
  files: ModelFiles,
  pass: {
    readonly tuning: NonNullable<WorkSizes["tuning"]>;
    readonly shape: Omit<UNetShape, "batch">;
  },
): ProgramSpec {
  const { mode, memory } = pass.tuning;
  const trainable = tuningLayout(files, mode).entries.map(({ name }) => name);
  const shape = { batch: 1, ...pass.shape };
  return { kind: "unet-gradients", config: files.unetConfig, shape, trainable, memory };
}

/** Weights of up to so many bytes: the programs of an edit are loaded together in a second. */
const preparedWeightBytesMax = 64 * 2 ** 20;

/**
 * Begins to load the programs of an edit before they are needed: while the video is being read,
 * say. Those of a large model load in tens of seconds, and are left to the phases that run them.
 */
export function prepareEdit(
  model: Model,
  edit: WorkSizes & { readonly passes: readonly ProgramSpec["kind"][] },
): void {
  const { weights } = model.files;
  const locations = [weights.text, weights.vae, weights.unet].flatMap((part) => [...part.values()]);
  const weightBytes = locations.reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (weightBytes > preparedWeightBytesMax) return;
  for (const spec of editPrograms(model.files, edit)) {
    if (edit.passes.includes(spec.kind)) model.programs.prepare(spec);
  }
}
