import { access, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { jsonDigest } from "@retake/coordinator/result";
import {
  type HostTensors,
  openDelta,
  saveDelta,
  startTensors,
  type TensorSource,
  type TunedDelta,
  tune,
  tunedTensors,
} from "@retake/gpu-node";
import { artifact } from "../cache/artifact-store.js";
import { makeFolders } from "../cache/make-folders.js";
import type { EncodedClip } from "./encode-phase.js";
import { type EncodedPrompts, encodingOf } from "./prompt-phase.js";
import { type Session, taskControl } from "./session.js";

/** A tuned network: what inversion and sampling run on. */
export interface TunedNetwork {
  readonly header: TunedDelta["header"];
  /** Names the network by what it depends on. */
  readonly id: string;
  /** Every input tensor of the U-Net, the tuned ones in place: read from the delta's file. */
  readonly tensors: TensorSource;
}

export interface TuneRequest {
  readonly source: string;
  readonly clipHash: string;
  readonly encoded: EncodedClip;
  readonly prompts: EncodedPrompts;
  readonly snapshotEvery: number;
  readonly resume: boolean;
  /** Where the delta is written to. */
  readonly deltaPath: string;
}

/** Tunes the network on the clip, or takes the delta of the same tuning from the cache. */
export async function tunePhase(session: Session, request: TuneRequest): Promise<TunedNetwork> {
  const { model, reporter, store, settings } = session;
  const { deltaPath } = request;
  const start = { seed: settings.seed, temporalStart: settings.temporalStart };
  const key = tuningKey(session, request);
  return reporter.phase("tune", async (phase) => {
    const { value, id, reused } = await artifact<Pick<TunedDelta, "tensors" | "header">>(store, {
      kind: "delta",
      key: { ...key, steps: settings.steps },
      make: async () => {
        const tensors = await startTensors(model.files, start);
        return tunedDelta(
          session,
          { ...request, start: tensors, key },
          taskControl(session, phase),
        );
      },
      read: (path) => openDelta(path, model.files),
      write: saveDelta,
    });
    if (reused) phase.reuse();
    await saveDelta(deltaPath, value);
    return { header: value.header, id, tensors: tunedTensors(model.files, { start, deltaPath }) };
  });
}

/** Everything that decides a tuning's numbers, but how long it goes on. */
function tuningKey(session: Session, request: TuneRequest): Readonly<Record<string, unknown>> {
  const { model, settings } = session;
  const { rate, draws, mode, temporalStart, memory, seed } = settings;
  const prompt = [...model.files.tokenizer.tokenize(request.source).ids];
  return {
    ...{ moments: request.encoded.id, model: model.files.hash, numerics: model.numericsId, prompt },
    ...{ rate, draws, mode, temporalStart, memory, seed },
  };
}

async function tunedDelta(
  session: Session,
  request: TuneRequest & {
    readonly start: HostTensors;
    readonly key: Readonly<Record<string, unknown>>;
  },
  control: ReturnType<typeof taskControl>,
): Promise<Pick<TunedDelta, "tensors" | "header">> {
  const { model, settings, store } = session;
  const { rate, draws, mode, temporalStart, memory, seed, steps } = settings;
  const settingsHash = jsonDigest(request.key);
  const path = join(store.folder, "snapshots", `${settingsHash}.safetensors`);
  await makeFolders(dirname(path));
  if (request.resume && !(await isThere(path))) {
    session.reporter.note("tune: no snapshot of this tuning was kept; it starts at step 0");
  }
  const result = await tune(
    model,
    {
      moments: request.encoded.moments,
      prompt: encodingOf(request.prompts, request.source),
      tensors: request.start,
      settings: { steps, learningRate: rate, drawsPerStep: draws, seed, mode, memory },
      snapshots: { path, settingsHash, everySteps: request.snapshotEvery, resume: request.resume },
    },
    control,
  );
  await rm(path, { force: true });
  const { losses, attempts, numericsIds } = result.journal;
  const header = {
    ...{ baseHash: model.files.hash, clipHash: request.clipHash, prompts: [request.source] },
    ...{ seed, step: result.journal.step, mode },
    settings: {
      ...{ rate, draws, temporalStart, memory, numericsIds, base: model.files.name },
      ...{ abandonedSteps: attempts - losses.length, losses: lossSummary(losses) },
    },
  };
  return { tensors: result.tensors, header };
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Single losses say little, since each has its own timestep: means of the first and last tenth. */
function lossSummary(losses: readonly number[]): { readonly first: number; readonly last: number } {
  const count = Math.max(1, Math.floor(losses.length / 10));
  const mean = (values: readonly number[]): number =>
    values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
  return { first: mean(losses.slice(0, count)), last: mean(losses.slice(-count)) };
}
