import { resolve } from "node:path";
import { type Manifest, rateText, writeManifest } from "@retake/coordinator/result";
import type { Settings } from "@retake/coordinator/settings";
import { Code, RetakeError } from "@retake/errors";
import type { Model } from "@retake/gpu-node";
import type { Environment } from "../environment.js";
import { stoppedJob } from "../errors/stopped-job.js";
import type { Reporter } from "../progress/reporter.js";
import { clipPhase, type SourceClip } from "./clip-phase.js";
import { dryRun, type Prediction } from "./dry-run.js";
import type { Job, JobExpectation, JobResult } from "./job.js";
import { preparePasses } from "./plan.js";
import { type PreparedJob, prepareJob } from "./prepare-job.js";
import { createResultFolder, type ResultFolder } from "./result-folder.js";
import { type PhasesDone, runPhases } from "./run-phases.js";
import type { Session } from "./session.js";
import { runVersions } from "./versions.js";
import { withModel } from "./with-model.js";

/** Says what a job would take, and does nothing. */
export async function predictJob(
  job: Job,
  environment: Environment,
  reporter: Reporter,
): Promise<Prediction> {
  const { files, cacheDir, ...work } = await prepareJob(job, environment, reporter);
  return dryRun(files, { ...work, job }, { environment, cacheDir });
}

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
    const prepared = await prepareJob(job, environment, reporter);
    await fillFolder(folder, { job, prepared }, { environment, reporter });
    await folder.commit();
    const seconds = (environment.nowMs() - beganMs) / 1000;
    return { command: job.command, out: folder.path, files: await folder.files(), seconds };
  } catch (thrown) {
    const { useCache } = job;
    throw stoppedJob(thrown, { phase: reporter.current, useCache });
  } finally {
    await folder.discard();
  }
}

async function fillFolder(
  folder: ResultFolder,
  { job, prepared }: { readonly job: Job; readonly prepared: PreparedJob },
  context: { readonly environment: Environment; readonly reporter: Reporter },
): Promise<void> {
  const { reporter, environment } = context;
  const { files, settings, size, cacheDir } = prepared;
  const { workPath } = folder;
  const store = {
    ...{ folder: cacheDir, isOn: job.useCache, nowMs: environment.nowMs },
    onWarning: (warning: string) => reporter.warn(warning),
  };
  const meanwhile = (): Promise<SourceClip> =>
    clipPhase({ ...context, store }, job.clipPath, { settings, size });
  const prepare = (model: Model): void => preparePasses(model, { job, settings, size });
  const machine = { ...settings, cacheDir, meanwhile, prepare };
  await withModel(files, machine, async (model, source) => {
    const sized = { ...settings, size: `${size.width}x${size.height}` };
    const session = { ...context, store, model, settings: sized };
    if (job.expected !== undefined) compare(session, source, job.expected);
    const done = await runPhases(session, { job, source, workPath });
    await writeManifest(workPath, await manifestOf(session, { job, source, done }));
  });
}

async function manifestOf(
  session: Session,
  run: { readonly job: Job; readonly source: SourceClip; readonly done: PhasesDone },
): Promise<Omit<Manifest, "format" | "version" | "files">> {
  const { job, source, done } = run;
  const { files, numericsId } = session.model;
  const { clip } = source;
  // What was chosen stands in the place of the most that it could be: it gives the same bits.
  const steps = done.stop?.step ?? session.settings.steps;
  const settings: Settings = { ...session.settings, steps };
  return {
    ...{ command: job.command, source: job.source ?? null, prompts: job.prompts },
    ...{ negative: job.negative, settings },
    clip: {
      ...{ path: resolve(job.clipPath), sha256: source.fileSha256, hash: source.hash },
      ...{ rate: rateText(clip.rate), startS: clip.startS, durationS: clip.durationS },
    },
    model: {
      ...{ source: job.model.source, revision: job.model.revision ?? null },
      ...{ name: files.name, hash: files.hash },
    },
    ...{ given: done.given, numericsId, versions: await runVersions() },
    ...{ tuning: done.tuning, timings: session.reporter.times },
    ...(done.stop === undefined ? {} : { stop: done.stop }),
  };
}

/** A manifest's clip and model must be the ones; other terms only cost the promise of bits. */
function compare(session: Session, source: SourceClip, expected: JobExpectation): void {
  const { files, numericsId } = session.model;
  assertSame("clip", { is: source.fileSha256, was: expected.clipSha256 });
  assertSame("model", { is: files.hash, was: expected.modelHash });
  if (numericsId === expected.numericsId) return;
  const terms = `${expected.numericsId} then, ${numericsId} now`;
  session.reporter.warn(`the terms of computation differ (${terms}): the bits may differ`);
}

function assertSame(
  what: string,
  { is, was }: { readonly is: string; readonly was: string },
): void {
  if (is === was) return;
  const message = `${what}: expected the manifest's (${was.slice(0, 12)})`;
  const text = `${message}, got another (${is.slice(0, 12)}); give the right one`;
  throw new RetakeError(Code.FailedPrecondition, "checksum-mismatch", text);
}
