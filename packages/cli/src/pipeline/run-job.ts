import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { Code, RetakeError } from "@retake/errors";
import {
  type HostTensor,
  type ModelFiles,
  openModelFiles,
  readTensors,
  writeTensors,
} from "@retake/gpu-node";
import { cacheFolder } from "../cache/cache-folder.js";
import type { Environment } from "../environment.js";
import type { Reporter } from "../progress/reporter.js";
import { type ChosenSettings, cardSettings, chosenSettings } from "../settings/chosen-settings.js";
import type { Settings } from "../settings/setting-specs.js";
import { clipPhase, type SourceClip } from "./clip-phase.js";
import { type EncodedClip, encodePhase } from "./encode-phase.js";
import { givenNetwork } from "./given-network.js";
import { invertPhase } from "./invert-phase.js";
import type { Job, JobExpectation, JobResult } from "./job.js";
import { rateOf, writeManifest } from "./manifest.js";
import { type EncodedPrompts, promptPhase } from "./prompt-phase.js";
import { createResultFolder } from "./result-folder.js";
import { samplePhase } from "./sample-phase.js";
import type { Session } from "./session.js";
import { type TunedNetwork, tunePhase } from "./tune-phase.js";
import { runVersions } from "./versions.js";
import { withModel } from "./with-model.js";
import { writeDeltaFile, writeEdits } from "./write-result.js";

/**
 * Runs a command from the video file to the result's folder. The folder appears at the end, whole,
 * or not at all.
 */
export async function runJob(
  job: Job,
  environment: Environment,
  reporter: Reporter,
): Promise<JobResult> {
  const beganMs = environment.nowMs();
  const folder = await createResultFolder(job.outPath);
  try {
    const cacheDir = cacheFolder(environment.env);
    const files = await openFiles(job, { environment, reporter, cacheDir });
    const settings = settingsOf(job, files);
    const store = {
      ...{ folder: cacheDir, isOn: job.useCache, nowMs: environment.nowMs },
      onWarning: (warning: string) => reporter.warn(warning),
    };
    const shared = { environment, reporter, store };
    const source = await clipPhase(shared, job.clipPath, {
      ...{ settings, pictureSide: files.pictureSide },
    });
    await withModel(files, { ...settings, cacheDir }, async (model) => {
      const session = { ...shared, model, settings: { ...settings, size: source.size } };
      if (job.expected !== undefined) compare(session, source, job.expected);
      const written = await runPhases(session, { job, source, workPath: folder.workPath });
      await writeManifest(folder.workPath, {
        ...requestOf(job, session.settings),
        clip: {
          ...{ path: resolve(job.clipPath), sha256: source.fileSha256, hash: source.hash },
          ...{ rate: rateOf(source.clip), startS: source.clip.startS },
          durationS: source.clip.durationS,
        },
        model: {
          ...{ source: job.model.source, revision: job.model.revision ?? null },
          ...{ name: files.name, hash: files.hash },
        },
        ...{ given: written.given, numericsId: model.numericsId, versions: await runVersions() },
        ...{ tuning: written.tuning, timings: reporter.times },
      });
    });
    await folder.commit();
    const seconds = (environment.nowMs() - beganMs) / 1000;
    return { command: job.command, out: folder.path, files: await folder.files(), seconds };
  } finally {
    await folder.discard();
  }
}

function openFiles(
  job: Job,
  context: {
    readonly environment: Environment;
    readonly reporter: Reporter;
    readonly cacheDir: string;
  },
): Promise<ModelFiles> {
  const { environment, reporter, cacheDir } = context;
  const { source, revision, offline } = job.model;
  return reporter.phase("model", (phase) =>
    openModelFiles({
      ...{ source, revision, offline, cacheDir, signal: environment.signal },
      token: environment.env.HF_TOKEN,
      onDownload: ({ bytes, bytesTotal }) =>
        phase.progress({ done: megabytes(bytes), total: megabytes(bytesTotal) }),
    }),
  );
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}

function settingsOf(job: Job, files: ModelFiles): ChosenSettings {
  const card = cardSettings(files.card, join(files.root, "retake.json"));
  return chosenSettings(job.given, card, { threads: availableParallelism() });
}

function requestOf(job: Job, settings: Settings) {
  const { command, source = null, prompts, negative } = job;
  return { command, source, prompts, negative, settings };
}

interface Written {
  readonly given: Readonly<Record<string, string>>;
  readonly tuning: Readonly<Record<string, unknown>> | null;
}

/** The phases of the job's command, in order. */
async function runPhases(
  session: Session,
  run: { readonly job: Job; readonly source: SourceClip; readonly workPath: string },
): Promise<Written> {
  const { job, source, workPath } = run;
  const prompts = await promptPhase(session, [
    ...(job.source === undefined ? [] : [job.source]),
    ...["", job.negative, ...job.prompts],
  ]);
  const encoded = await encodePhase(session, source);
  if (job.command === "tune" || job.command === "edit") {
    const network = await tuned(session, { job, source, encoded, prompts });
    await writeDeltaFile(workPath, network);
    if (job.command === "edit") await edit(session, { ...run, network, encoded, prompts });
    const { step, settings } = network.delta.header;
    return { given: {}, tuning: { step, ...settings } };
  }
  const network = await givenNetwork(session, job.deltaPath);
  const given = job.deltaPath === undefined ? {} : { delta: resolve(job.deltaPath) };
  if (job.command === "invert") {
    const latents = await invertPhase(session, { network, encoded, prompts });
    await writeTensors(join(workPath, "inverted.safetensors"), { latents });
  } else {
    await edit(session, { ...run, network, encoded, prompts });
  }
  return { given, tuning: null };
}

function tuned(
  session: Session,
  run: {
    readonly job: Job;
    readonly source: SourceClip;
    readonly encoded: EncodedClip;
    readonly prompts: EncodedPrompts;
  },
): Promise<TunedNetwork> {
  const { job, source, encoded, prompts } = run;
  const { snapshotEvery, resume } = job;
  const request = { source: job.source ?? "", clipHash: source.hash, encoded, prompts };
  return tunePhase(session, { ...request, snapshotEvery, resume });
}

async function edit(
  session: Session,
  run: {
    readonly job: Job;
    readonly source: SourceClip;
    readonly workPath: string;
    readonly network: Pick<TunedNetwork, "id" | "tensors">;
    readonly encoded: EncodedClip;
    readonly prompts: EncodedPrompts;
  },
): Promise<void> {
  const { job, source, workPath, network, encoded, prompts } = run;
  const latents =
    job.latentsPath === undefined
      ? await invertPhase(session, { network, encoded, prompts })
      : await givenLatents(job.latentsPath, encoded);
  const edits = await samplePhase(session, {
    ...{ network, latents, encoded: prompts, prompts: job.prompts, negative: job.negative },
  });
  await writeEdits(session, {
    ...{ workPath, edits, clip: source.clip, clipPath: job.clipPath },
    sourceLabel: job.source ?? "source",
  });
}

async function givenLatents(path: string, encoded: EncodedClip): Promise<HostTensor> {
  const { latents } = await readTensors(path, ["latents"]);
  const expected = encoded.moments.mean.shape;
  if (String(latents.shape) === String(expected)) return latents;
  const message = `${path}: expected latents of [${expected}], got [${latents.shape}]`;
  const advice = "invert the same clip with the same --frames and --size";
  throw new RetakeError(Code.InvalidArgument, "tensor-shape", `${message}; ${advice}`);
}

/** A manifest's clip and model must be the ones; other terms only cost the promise of bits. */
function compare(session: Session, source: SourceClip, expected: JobExpectation): void {
  const { files, numericsId } = session.model;
  const check = (what: string, is: string, was: string): void => {
    if (is === was) return;
    const message = `${what}: expected the one of the manifest (${was.slice(0, 12)})`;
    const advice = "give the right one, or run without --manifest";
    const text = `${message}, got another (${is.slice(0, 12)}); ${advice}`;
    throw new RetakeError(Code.FailedPrecondition, "checksum-mismatch", text);
  };
  check("clip", source.fileSha256, expected.clipSha256);
  check("model", files.hash, expected.modelHash);
  if (numericsId === expected.numericsId) return;
  const terms = `${expected.numericsId} then, ${numericsId} now`;
  session.reporter.warn(`the terms of computation differ (${terms}): the bits may differ`);
}
