import type { Size } from "@retake/coordinator";
import type { ChosenSettings } from "@retake/coordinator/settings";
import {
  type Model,
  type ModelFiles,
  type PassCosts,
  type PassName,
  predictCost,
  prepareEdit,
} from "@retake/gpu-node";
import { reconstructIterations, stopSteps } from "@retake/gpu-node/stop";
import type { Job } from "./job.js";

/** One kind of pass, and how often an edit makes it. */
export interface PlannedPasses {
  readonly phase: string;
  readonly pass: PassName;
  readonly count: number;
  /** Of all of them. */
  readonly flops: number;
  readonly memoryBytes: number;
}

/** What a job will take, predicted from its programs. */
export interface Plan {
  readonly phases: readonly PlannedPasses[];
  readonly flops: number;
  /** Private memory at its highest: one phase at a time is in memory. */
  readonly memoryBytes: number;
  /** Weights of that phase: mapped from their file, and shared between processes. */
  readonly weightBytes: number;
}

/** Node, the engine and the clip, before any activation. */
const processBytes = 300e6;
/**
 * More memory than this many activations of the U-Net's outermost level is never taken. It spares
 * small jobs the prediction, which takes up to seconds.
 */
const activationsMax = 4000;
const bytesPerValue = 4;

export interface PlannedWork {
  readonly job: Pick<Job, "command" | "prompts" | "stop">;
  readonly settings: ChosenSettings;
  readonly size: Size;
}

/**
 * The memory that a job certainly takes: one activation of the U-Net's outermost level. Cheap, and
 * enough to refuse what is absurd.
 */
export function leastBytes(files: ModelFiles, { settings, size }: PlannedWork): number {
  const cells = (size.width / files.latentFactor) * (size.height / files.latentFactor);
  const channels = files.unetConfig.blockOutChannels[0] ?? 1;
  const branches = settings.batch > 1 ? 2 : 1;
  return cells * channels * settings.frames * branches * bytesPerValue + processBytes;
}

/** Whether a job is so small that its memory need not be predicted. */
export function isSmall(files: ModelFiles, work: PlannedWork, availableBytes: number): boolean {
  const activationBytes = leastBytes(files, work) - processBytes;
  return activationBytes * activationsMax + processBytes < availableBytes;
}

/** What the passes of a job are as large as. */
function workSizes({ job, settings, size }: PlannedWork): Parameters<typeof predictCost>[1] {
  const tunes = (job.command === "edit" || job.command === "tune") && settings.steps > 0;
  const { mode, memory, batch } = settings;
  return {
    ...{ frames: settings.frames, height: size.height, width: size.width },
    ...{ tuning: tunes ? { mode, memory } : undefined, framesPerPass: batch },
    branches: batch > 1 ? 2 : 1,
  };
}

/** Begins to load the programs of a job's passes, where they are small: see `prepareEdit`. */
export function preparePasses(model: Model, work: PlannedWork): void {
  const passes = passCounts(work).flatMap(([, pass, count]) => (count > 0 ? [pass] : []));
  prepareEdit(model, { ...workSizes(work), passes });
}

/** Predicts operations and memory of a job, phase by phase. */
export function planOf(files: ModelFiles, work: PlannedWork): Plan {
  const costs = predictCost(files, workSizes(work));
  const phases = passCounts(work).flatMap(([phase, pass, count]) =>
    plannedPasses(costs, { phase, pass, count }),
  );
  const widest = Math.max(0, ...phases.map(({ memoryBytes }) => memoryBytes));
  const weights = phases.map(({ pass }) => costs[pass]?.weightBytes ?? 0);
  return {
    phases,
    flops: phases.reduce((sum, { flops }) => sum + flops, 0),
    memoryBytes: processBytes + widest,
    weightBytes: Math.max(0, ...weights),
  };
}

function plannedPasses(
  costs: PassCosts,
  planned: { readonly phase: string; readonly pass: PassName; readonly count: number },
): readonly PlannedPasses[] {
  const { flops, memoryBytes } = costs[planned.pass] ?? { flops: 0, memoryBytes: 0 };
  if (planned.count === 0) return [];
  return [{ ...planned, flops: planned.count * flops, memoryBytes }];
}

function passCounts(work: PlannedWork): readonly (readonly [string, PassName, number])[] {
  const { job, settings } = work;
  const { command, prompts, stop } = job;
  const { frames, batch, ddim, strength, guidance, steps, draws } = settings;
  const iterationsOf = (samplingCount: number): number =>
    Math.max(1, Math.floor(samplingCount * strength));
  const iterations = iterationsOf(ddim);
  const vaePasses = Math.ceil(frames / batch);
  const branches = guidance === 1 || batch > 1 ? 1 : 2;
  const tunes = command === "edit" || command === "tune";
  const inverts = command !== "tune";
  const samples = command === "edit" || command === "sample";
  const edits = samples ? prompts.length : 0;
  const looks = tunes && stop === "auto" ? stopSteps(steps).length : 0;
  const lookPasses = iterationsOf(reconstructIterations(ddim)) * (1 + branches);
  return [
    ["prompts", "text", 2 + edits],
    ["encode", "vae-encode", vaePasses],
    ["tune", "unet-gradients", tunes ? steps * draws : 0],
    ["stop", "unet", looks * lookPasses],
    ["invert", "unet", inverts ? iterations : 0],
    ["sample", "unet", edits * iterations * branches],
    ["frames", "vae-decode", edits * vaePasses],
  ];
}
