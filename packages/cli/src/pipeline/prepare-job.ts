import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Size } from "@retake/coordinator";
import { type ModelFiles, openModelFiles } from "@retake/gpu-node";
import { cacheFolder, makeCacheFolder } from "../cache/cache-folder.js";
import type { Environment } from "../environment.js";
import { assertReadable } from "../errors/missing-file.js";
import type { Reporter } from "../progress/reporter.js";
import { type ChosenSettings, cardSettings, chosenSettings } from "../settings/chosen-settings.js";
import { admitted } from "./admission.js";
import { chosenSize } from "./clip-phase.js";
import type { Job } from "./job.js";
import type { Plan } from "./plan.js";

/** A job whose inputs were found good, before any long work. */
export interface PreparedJob {
  readonly files: ModelFiles;
  readonly settings: ChosenSettings;
  readonly size: Size;
  readonly cacheDir: string;
  /** Where the job was large enough to need one. */
  readonly plan: Plan | undefined;
  readonly availableBytes: number;
}

/**
 * Opens what a job needs and refuses what cannot be done: a clip that is none, a checkpoint that is
 * not whole, a size that the memory cannot hold.
 */
export async function prepareJob(
  job: Job,
  environment: Environment,
  reporter: Reporter,
): Promise<PreparedJob> {
  await assertReadable(job.clipPath, "a video file");
  if (job.deltaPath !== undefined) await assertReadable(job.deltaPath, "a delta file");
  if (job.latentsPath !== undefined) await assertReadable(job.latentsPath, "inverted latents");
  const cacheDir = cacheFolder(environment.env);
  await makeCacheFolder(cacheDir);
  const files = await openFiles(job, { environment, reporter, cacheDir });
  const card = cardSettings(files.card, join(files.root, "retake.json"));
  const settings = chosenSettings(job.given, card, { threads: availableParallelism() });
  const { signal } = environment;
  const { pictureSide } = files;
  const size = await chosenSize(job.clipPath, { size: settings.size, pictureSide, signal });
  const availableBytes = process.availableMemory();
  const plan = admitted(files, { job, settings, size }, availableBytes);
  return { files, settings, size, cacheDir, plan, availableBytes };
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
