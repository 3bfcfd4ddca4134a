import { Code, RetakeError } from "@retake/errors";
import {
  initialTuningState,
  packedVector,
  paperAdamW,
  type TuningMode,
  type VectorLayout,
} from "@retake/model/tuning";
import type { HostTensor, HostTensors, Tuner } from "../runtime/engine.js";
import { type DrawContext, DrawsAhead, drawSpec } from "./draw-inputs.js";
import type { ClipMoments } from "./encode-clip.js";
import { outputValues } from "./host-tensors.js";
import type { Model } from "./open-model.js";
import { type TaskControl, throwIfStopped } from "./task-control.js";
import { namedTensors, tuningLayout, untuned } from "./tuned-tensors.js";
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
  readonly previews?: TuningPreviews | undefined;
}

/** Looks at a tuning while it goes on; its bits are those of one that nobody looks at. */
export interface TuningPreviews {
  /** After how many updates; 0 is before the first. A snapshot beyond one of them is no use. */
  readonly atSteps: readonly number[];
  /** Called with what the tuning would give if it ended now, and waited for. */
  readonly onPreview: (soFar: TuneResult) => Promise<void> | void;
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
export const gradientNormMax = 1;
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
  const { settings } = input;
  const { seed, memory, mode } = settings;
  const context = { ...input, layout: tuningLayout(model.files, mode), seed, memory };
  await model.programs.keepOnly("unet-gradients");
  const start = await startOf(model, context, control);
  if (start.journal.step >= input.settings.steps) {
    const tensors = namedTensors(context.layout, start.state.weights);
    const result = { tensors, journal: start.journal };
    if (isShown(input, start.journal.step)) await input.previews?.onPreview(result);
    return result;
  }
  const tuner = await model.programs.createTuner(drawSpec(model, context), {
    ...{ layout: context.layout, state: start.state },
    fixed: async () => untuned(context.layout, input.tensors),
  });
  try {
    const draws = new DrawsAhead(model, context);
    const tuning = { context, tuner, input, draws, journal: start.journal };
    const journal = await steps(tuning, control);
    const { weights } = await tuner.finish();
    return { tensors: namedTensors(context.layout, weights), journal };
  } finally {
    await tuner.close();
  }
}

interface Tuning {
  readonly context: DrawContext;
  readonly tuner: Tuner;
  readonly input: TuneInput;
  readonly draws: DrawsAhead;
  readonly journal: TuningJournal;
}

/** Steps until all are done, with a snapshot every so often and when stopped. */
async function steps(tuning: Tuning, control: TaskControl): Promise<TuningJournal> {
  const { tuner } = tuning;
  const { settings, snapshots } = tuning.input;
  let { journal } = tuning;
  let abandonedInRow = 0;
  const keep = async (): Promise<void> => {
    if (snapshots === undefined) return;
    await writeSnapshot(snapshots, { state: await tuner.state(), journal });
  };
  await preview(tuning, journal);
  control.onProgress?.({ done: journal.step, total: settings.steps });
  while (journal.step < settings.steps) {
    const { loss, norm } = await step({ ...tuning, journal }, control).catch(
      async (thrown: unknown) => {
        const isStop = thrown instanceof RetakeError && thrown.reason === "stopped";
        if (isStop && journal.attempts > 0) await keep();
        throw thrown;
      },
    );
    journal = { ...journal, attempts: journal.attempts + 1 };
    if (!Number.isFinite(norm)) {
      abandonedInRow += 1;
      control.onWarning?.(`step ${journal.step}: abandoned, its loss or gradient is not finite`);
      if (abandonedInRow >= abandonedInRowMax) throw notFinite(journal.step, settings);
      continue;
    }
    abandonedInRow = 0;
    journal = { ...journal, step: journal.step + 1, losses: [...journal.losses, loss] };
    const isDue = snapshots !== undefined && journal.step % snapshots.everySteps === 0;
    if (isDue && journal.step < settings.steps) await keep();
    await preview(tuning, journal);
    control.onProgress?.({ done: journal.step, total: settings.steps });
  }
  return journal;
}

/** Shows what is tuned so far to whoever wants to see it at this step. */
async function preview({ context, input, tuner }: Tuning, journal: TuningJournal): Promise<void> {
  if (!isShown(input, journal.step)) return;
  const { weights } = await tuner.state();
  await input.previews?.onPreview({ tensors: namedTensors(context.layout, weights), journal });
}

const isShown = ({ previews }: TuneInput, step: number): boolean =>
  previews?.atSteps.includes(step) === true;

/**
 * One step: its draws, added by the fixed tree, and the update. The update is asked for before the
 * last draw has ended, and the next draw's inputs are made meanwhile, so that the engine never
 * waits.
 */
async function step(
  { tuner, input, journal, draws }: Tuning,
  control: TaskControl,
): Promise<{ readonly loss: number; readonly norm: number }> {
  const { drawsPerStep: drawCount, learningRate } = input.settings;
  const { attempts: attempt } = journal;
  const settings = { ...paperAdamW, learningRate };
  const update = { drawCount, step: journal.step, gradientNormMax, settings };
  let [lossSum, norm] = [0, Number.NaN];
  for (let drawIndex = 0; drawIndex < drawCount; drawIndex += 1) {
    throwIfStopped(control, "tuning");
    const isLast = drawIndex + 1 === drawCount;
    const asked = [
      tuner.addDraw({ drawIndex, inputs: draws.take({ attempt, drawIndex }) }),
      ...(isLast ? [tuner.applyStep(update)] : []),
    ];
    draws.prepare(
      isLast ? { attempt: attempt + 1, drawIndex: 0 } : { attempt, drawIndex: drawIndex + 1 },
    );
    const [loss = Number.NaN, ended = Number.NaN] = await Promise.all(asked);
    lossSum += loss;
    norm = ended;
  }
  return { loss: lossSum / drawCount, norm };
}

/** Where to begin: at a snapshot, or with the start tensors. */
async function startOf(
  model: Model,
  input: TuneInput & { readonly layout: VectorLayout },
  control: TaskControl,
): Promise<TuningSnapshot> {
  const { layout, tensors } = input;
  const { numericsId } = model;
  const kept = await usableSnapshot(input, control);
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

/** The snapshot to go on from, if it is wanted, there, and not beyond what is asked for. */
async function usableSnapshot(
  { snapshots, layout, previews, settings }: TuneInput & { readonly layout: VectorLayout },
  control: TaskControl,
): Promise<TuningSnapshot | undefined> {
  const kept = snapshots?.resume ? await readSnapshot(snapshots, layout.length) : undefined;
  const first = Math.min(settings.steps, ...(previews?.atSteps ?? []));
  if (kept === undefined || kept.journal.step <= first) return kept;
  const wanted = `expected one of step ${first} at the latest, which is asked for`;
  control.onWarning?.(`snapshot of step ${kept.journal.step}: ${wanted}; it starts at step 0`);
  return undefined;
}

function notFinite(step: number, { learningRate }: TuneSettings): RetakeError {
  const got = `${abandonedInRowMax} steps in a row without one at step ${step}`;
  const message = `tuning: expected a finite loss and gradient, got ${got}`;
  const advice = `lower the rate (now ${learningRate}) or check the clip`;
  return new RetakeError(Code.FailedPrecondition, "loss-not-finite", `${message}; ${advice}`);
}
