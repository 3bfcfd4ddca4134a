import { access, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { jsonDigest } from "@retake/coordinator/result";
import {
  openDelta,
  saveDelta,
  startTensors,
  type TensorSource,
  type TunedDelta,
  tune,
  tunedTensors,
} from "@retake/gpu-node";
import {
  type Artifact,
  type ArtifactForm,
  foundArtifact,
  keptArtifact,
} from "../cache/artifact-store.js";
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
}

/** Where to write what is tuned after so many steps. */
export interface DeltaPlace {
  readonly step: number;
  readonly path: string;
}

type Delta = Pick<TunedDelta, "tensors" | "header">;
type TuneResult = Awaited<ReturnType<typeof tune>>;

/**
 * Tunes the network on the clip, and writes what is tuned after each of some numbers of steps. What
 * is in the cache is taken from there; one tuning gives all the others.
 *
 * @param places  one at the least
 * @returns       the networks, in the order of the places
 */
export async function tunePhase(
  session: Session,
  request: TuneRequest,
  places: readonly DeltaPlace[],
): Promise<readonly TunedNetwork[]> {
  const { model, reporter, store } = session;
  const key = tuningKey(session, request);
  const formOf = (step: number): ArtifactForm<Delta> => ({
    ...{ kind: "delta", key: { ...key, steps: step } },
    read: (path) => openDelta(path, model.files),
    write: saveDelta,
  });
  return reporter.phase("tune", async (phase) => {
    const deltas = new Map<DeltaPlace, Omit<TunedNetwork, "tensors">>();
    const put = async (place: DeltaPlace, { value, id }: Artifact<Delta>): Promise<void> => {
      await saveDelta(place.path, value);
      deltas.set(place, { header: value.header, id });
    };
    for (const place of places) {
      const found = await foundArtifact(store, formOf(place.step));
      if (found !== undefined) await put(place, found);
    }
    const missing = places.filter((place) => !deltas.has(place));
    const onDelta = async (value: Delta): Promise<void> => {
      const place = missing.find(({ step }) => step === value.header.step);
      if (place === undefined) throw new Error(`tune: nobody asked for step ${value.header.step}`);
      await put(place, await keptArtifact(store, formOf(place.step), value));
    };
    const steps = missing.map(({ step }) => step);
    if (steps.length === 0) phase.reuse();
    else await tuned(session, { ...request, key, steps, onDelta }, taskControl(session, phase));
    return places.map((place) => networkOf(session, { place, delta: deltas.get(place) }));
  });
}

/** A network whose delta lies at a place. */
export function networkOf(
  { model, settings }: Pick<Session, "model" | "settings">,
  {
    place,
    delta,
  }: {
    readonly place: Pick<DeltaPlace, "path">;
    readonly delta: Omit<TunedNetwork, "tensors"> | undefined;
  },
): TunedNetwork {
  if (delta === undefined) throw new Error(`${place.path}: expected a delta, got none`);
  const { header, id } = delta;
  const start = { seed: settings.seed, temporalStart: settings.temporalStart };
  return { header, id, tensors: tunedTensors(model.files, { start, deltaPath: place.path }) };
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

/** Tunes up to the last of the steps, and tells what is tuned after each of them. */
async function tuned(
  session: Session,
  request: TuneRequest & {
    readonly key: Readonly<Record<string, unknown>>;
    readonly steps: readonly number[];
    readonly onDelta: (delta: Delta) => Promise<void>;
  },
  control: ReturnType<typeof taskControl>,
): Promise<void> {
  const { model, settings, store } = session;
  const { rate, draws, mode, temporalStart, memory, seed } = settings;
  const settingsHash = jsonDigest(request.key);
  const path = join(store.folder, "snapshots", `${settingsHash}.safetensors`);
  await makeFolders(dirname(path));
  if (request.resume && !(await isThere(path))) {
    session.reporter.note("tune: no snapshot of this tuning was kept; it starts at step 0");
  }
  const onResult = (result: TuneResult): Promise<void> =>
    request.onDelta(deltaOf(session, { ...request, result }));
  const steps = Math.max(...request.steps);
  const result = await tune(
    model,
    {
      moments: request.encoded.moments,
      prompt: encodingOf(request.prompts, request.source),
      tensors: await startTensors(model.files, { seed, temporalStart }),
      settings: { steps, learningRate: rate, drawsPerStep: draws, seed, mode, memory },
      snapshots: { path, settingsHash, everySteps: request.snapshotEvery, resume: request.resume },
      // The last is what the tuning gives in the end.
      previews: { atSteps: request.steps.filter((step) => step < steps), onPreview: onResult },
    },
    control,
  );
  await onResult(result);
  await rm(path, { force: true });
}

function deltaOf(
  { model, settings }: Session,
  { clipHash, source, result }: TuneRequest & { readonly result: TuneResult },
): Delta {
  const { rate, draws, mode, temporalStart, memory, seed } = settings;
  const { step, losses, attempts, numericsIds } = result.journal;
  const header = {
    ...{ baseHash: model.files.hash, clipHash, prompts: [source], seed, step, mode },
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
