import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Size } from "@retake/coordinator";
import { type ChosenSettings, cardSettings, chosenSettings } from "@retake/coordinator/settings";
import { checkSampling, type ModelFiles, openModelFiles, tunedBytes } from "@retake/gpu-node";
import { stopSteps } from "@retake/gpu-node/stop";
import { cacheFolder, makeCacheFolder } from "../cache/cache-folder.js";
import type { Environment } from "../environment.js";
import { assertRoom } from "../errors/assert-room.js";
import { assertReadable } from "../errors/missing-file.js";
import type { Reporter } from "../progress/reporter.js";
import { admitted } from "./admission.js";
import { chosenSize } from "./clip-phase.js";
import type { Job } from "./job.js";
import type { Plan } from "./plan.js";

/** Bytes of pixels for each byte of video, at the least. */
const videoBytesPerByteMin = 8;
/** Weights and two moments; the one before stays until the new one is whole. */
const snapshotVectors = 6;

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
  await assertReadable(job.clipPath, { what: "a video file" });
  if (job.deltaPath !== undefined) await assertReadable(job.deltaPath, { what: "a delta file" });
  if (job.latentsPath !== undefined)
    await assertReadable(job.latentsPath, { what: "inverted latents" });
  const cacheDir = cacheFolder(environment.env);
  await makeCacheFolder(cacheDir);
  const files = await openFiles(job, { environment, reporter, cacheDir });
  const card = cardSettings(files.card, join(files.root, "retake.json"));
  const settings = chosenSettings(job.given, card, { threads: availableParallelism() });
  if (job.command !== "tune" || job.stop === "auto") {
    checkSampling(files, { samplingCount: settings.ddim, strength: settings.strength });
  }
  const { signal } = environment;
  const { pictureSide } = files;
  const size = await chosenSize(job.clipPath, { size: settings.size, pictureSide, signal });
  const availableBytes = process.availableMemory();
  await assertRoomFor(job, { files, settings, size, cacheDir });
  const plan = admitted(files, { job, settings, size }, availableBytes);
  return { files, settings, size, cacheDir, plan, availableBytes };
}

/** Room for the videos, about, and for what is tuned: a full disk is found out now. */
async function assertRoomFor(
  job: Job,
  work: Pick<PreparedJob, "files" | "settings" | "size" | "cacheDir">,
): Promise<void> {
  const { files, settings, size, cacheDir } = work;
  const tunes = job.command === "edit" || job.command === "tune";
  const deltaBytes = tunes ? tunedBytes(files, settings.mode) : 0;
  const clipBytes = settings.frames * size.width * size.height * 3;
  const videoBytes = ((job.prompts.length + 1) * clipBytes) / videoBytesPerByteMin;
  const deltas = job.stop === "auto" ? stopSteps(settings.steps).length : 1;
  await assertRoom(job.outPath, deltas * deltaBytes + videoBytes);
  await assertRoom(cacheDir, tunes ? snapshotVectors * deltaBytes : 0);
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
        phase.progress({ done: megabytes(bytes), total: megabytes(bytesTotal), unit: "MB" }),
    }),
  );
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
