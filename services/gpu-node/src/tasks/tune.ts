import { Code, RetakeError } from "@retake/errors";
import {
  applyAdamW,
  clipFactor,
  type DrawSum,
  initialTuningState,
  meanOfDraws,
  mergedDrawSums,
  packedVector,
  paperAdamW,
  type TuningMode,
  type VectorLayout,
  vectorNorm,
} from "@retake/model/tuning";
import type { HostTensor, HostTensors } from "../runtime/engine.js";
import { type DrawContext, drawGradient, namedTensors } from "./draw-gradient.js";
import type { ClipMoments } from "./encode-clip.js";
import { outputValues } from "./host-tensors.js";
import type { Model } from "./open-model.js";
import { type TaskControl, throwIfStopped } from "./task-control.js";
import { tuningLayout } from "./tuned-tensors.js";
import {
  readSnapshot,
  type SnapshotPlace,
  type TuningJournal,
  type TuningSnapshot,
  writeSnapshot,
} from "./tuning-snapshot.js";

export interface TuneSettings {
  /** Updates to do. */
  readonly steps: number;
  readonly learningRate: number;
  readonly drawsPerStep: number;
  readonly seed: number;
  readonly mode: TuningMode;
  /** `low` computes activations again in the backward pass instead of keeping them. */
  readonly memory: "fast" | "low";
}

export interface TuneInput {
  readonly moments: ClipMoments;
  /** `[1, promptTokens, channels]`: what the clip shows. */
  readonly prompt: HostTensor;
  /** What to start from, as `startTensors` gives it. */
  readonly tensors: HostTensors;
  readonly settings: TuneSettings;
  readonly snapshots?: SnapshotOptions | undefined;
}

export interface SnapshotOptions extends SnapshotPlace {
  /** Updates between two snapshots. */
  readonly everySteps: number;
  /** Whether to go on from a snapshot that is there. */
  readonly resume: boolean;
}

export interface TuneResult {
  /** The tensors that the mode tunes, and no others. */
  readonly tensors: HostTensors;
  readonly journal: TuningJournal;
}

/** Gradients are scaled down to this norm: the authors' `max_grad_norm`. */
const gradientNormMax = 1;
/** So many steps without a finite gradient in a row end the tuning. */
const abandonedInRowMax = 3;

/**
 * Tunes the network on one clip and its prompt.
 *
 * A step whose loss or gradient is not finite is abandoned: nothing changes, and the next one takes
 * new draws. When stopped, a last snapshot is written first.
 *
 * @throws RetakeError  `loss-not-finite` after three abandoned steps in a row; `stopped`;
 *                      `snapshot-mismatch`, `disk-full`
 * @source Wu et al. 2023, arXiv:2212.11565, section 4.1; `train_tuneavideo.py` of the authors
 */
export async function tune(
  model: Model,
  input: TuneInput,
  control: TaskControl = {},
): Promise<TuneResult> {
  const { settings, snapshots } = input;
  const layout = tuningLayout(model.files, settings.mode);
  const { seed, memory } = settings;
  const context = { ...input, layout, seed, memory };
  await model.programs.keepOnly("unet-gradients");
  const start = await startOf(model, context, control);
  const { state } = start;
  let journal = start.journal;
  let abandonedInRow = 0;
  const keep = async (): Promise<void> => {
    if (snapshots !== undefined) await writeSnapshot(snapshots, { state, journal });
  };
  control.onProgress?.({ done: journal.step, total: settings.steps });
  while (journal.step < settings.steps) {
    const { loss, gradient } = await stepGradient(model, context, {
      ...control,
      ...{ settings, weights: state.weights, attempt: journal.attempts },
    }).catch(async (thrown: unknown) => {
      if (thrown instanceof RetakeError && thrown.reason === "stopped") await keep();
      throw thrown;
    });
    const norm = vectorNorm(gradient);
    const attempts = journal.attempts + 1;
    if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
      abandonedInRow += 1;
      journal = { ...journal, attempts };
      control.onWarning?.(`step ${journal.step}: abandoned, its loss or gradient is not finite`);
      if (abandonedInRow >= abandonedInRowMax) throw notFinite(journal.step, settings);
      continue;
    }
    abandonedInRow = 0;
    const update = { gradient, step: journal.step, clipFactor: clippedTo(norm) };
    applyAdamW(state, update, { ...paperAdamW, learningRate: settings.learningRate });
    journal = { ...journal, attempts, step: journal.step + 1, losses: [...journal.losses, loss] };
    const isDue = snapshots !== undefined && journal.step % snapshots.everySteps === 0;
    if (isDue && journal.step < settings.steps) await keep();
    control.onProgress?.({ done: journal.step, total: settings.steps });
  }
  return { tensors: namedTensors(layout, state.weights), journal };
}

function clippedTo(norm: number): number {
  return clipFactor(norm, { normMax: gradientNormMax });
}

/** Where to begin: at a snapshot, or with the start tensors. */
async function startOf(
  model: Model,
  input: TuneInput & { readonly layout: VectorLayout },
  control: TaskControl,
): Promise<TuningSnapshot> {
  const { snapshots, layout, tensors } = input;
  const { numericsId } = model;
  const kept = snapshots?.resume ? await readSnapshot(snapshots, layout.length) : undefined;
  if (kept === undefined) {
    const weights = packedVector(layout, (name) => outputValues(tensors, name));
    const journal = { step: 0, attempts: 0, losses: [], numericsIds: [numericsId] };
    return { state: initialTuningState(weights), journal };
  }
  const { numericsIds } = kept.journal;
  if (numericsIds.at(-1) === numericsId) return kept;
  const before = `snapshot of step ${kept.journal.step}: computed on other terms`;
  control.onWarning?.(`${before} (${numericsIds.at(-1)}, now ${numericsId}); bits will differ`);
  return { ...kept, journal: { ...kept.journal, numericsIds: [...numericsIds, numericsId] } };
}

interface Step extends TaskControl {
  readonly settings: TuneSettings;
  readonly weights: Float32Array;
  readonly attempt: number;
}

/** Mean loss and mean gradient of a step's draws, added by the fixed tree. */
async function stepGradient(
  model: Model,
  context: DrawContext,
  step: Step,
): Promise<{ readonly loss: number; readonly gradient: Float32Array }> {
  const { drawsPerStep } = step.settings;
  let sums: readonly DrawSum[] = [];
  let lossSum = 0;
  for (let drawIndex = 0; drawIndex < drawsPerStep; drawIndex += 1) {
    throwIfStopped(step, "tuning");
    const { loss, gradient } = await drawGradient(model, context, { ...step, drawIndex });
    lossSum += loss;
    sums = mergedDrawSums([...sums, { firstDraw: drawIndex, drawCount: 1, sum: gradient }]);
  }
  return { loss: lossSum / drawsPerStep, gradient: meanOfDraws(sums, drawsPerStep) };
}

function notFinite(step: number, { learningRate }: TuneSettings): RetakeError {
  const got = `${abandonedInRowMax} steps in a row without one at step ${step}`;
  const message = `tuning: expected a finite loss and gradient, got ${got}`;
  const advice = `lower the rate (now ${learningRate}) or check the clip`;
  return new RetakeError(Code.FailedPrecondition, "loss-not-finite", `${message}; ${advice}`);
}
