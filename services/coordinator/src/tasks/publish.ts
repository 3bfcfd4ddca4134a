import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { EditRecord, ResultFile } from "../job/edit-record.js";
import type { TaskResult } from "../job/events.js";
import { type Clip, clipHash } from "../media/clip.js";
import type { DecodedClip } from "../media/decode.js";
import { findPrograms } from "../media/programs.js";
import { type Manifest, rateText, writeManifest } from "../result/manifest.js";
import { writeEdits } from "../result/write-edits.js";
import { decodeSettings } from "../settings/chosen-settings.js";
import { isEngineName } from "../settings/setting-specs.js";
import type { ArtifactStore } from "../store/artifact-store.js";
import { copyArtifact, readInto, storeFile, withWorkFolder } from "./artifact-file.js";
import { clusterRun, phaseTimes } from "./cluster-run.js";
import { type MediaContext, sourceClip } from "./ingest.js";

/** Writes the files of a result, as `retake edit` does, and stores each. */
export async function publish(
  record: EditRecord,
  context: MediaContext & { readonly retakeVersion: string },
): Promise<TaskResult> {
  const { artifacts, signal } = context;
  const { spec } = record;
  return withWorkFolder(context.workFolder, async (folder) => {
    const { path: clipPath, ...clip } = await sourceClip(record, { ...context, folder });
    const workPath = join(folder, "result");
    await mkdir(workPath);
    const edits = [];
    for (const [index, prompt] of spec.prompts.entries()) {
      const ids = record.artifacts.frames[index] ?? [];
      edits.push({ prompt, clip: await editedClip(artifacts, clip, ids) });
    }
    const { sourcePrompt: sourceLabel } = spec;
    await writeEdits({ workPath, clip, clipPath, sourceLabel, edits, signal });
    const { delta } = record.artifacts;
    if (delta !== "") {
      const path = join(workPath, "delta.safetensors");
      await copyArtifact(artifacts, delta, { path, signal });
    }
    await writeManifest(workPath, await manifestOf(record, clip, context));
    const files: ResultFile[] = [];
    for (const name of (await readdir(workPath)).sort()) {
      const { id, sizeBytes } = await storeFile(artifacts, join(workPath, name));
      files.push({ name, artifactId: id, sizeBytes });
    }
    return { artifactId: "", files };
  });
}

async function editedClip(
  artifacts: ArtifactStore,
  { frames, height, width }: Clip,
  ids: readonly string[],
): Promise<Clip> {
  const frameBytes = height * width * 3;
  const pixels = new Uint8Array(frames * frameBytes);
  for (const [frame, id] of ids.entries()) {
    await readInto(artifacts, id, pixels.subarray(frame * frameBytes, (frame + 1) * frameBytes));
  }
  return { pixels, frames, height, width };
}

async function manifestOf(
  record: EditRecord,
  clip: DecodedClip,
  { retakeVersion }: { readonly retakeVersion: string },
): Promise<Omit<Manifest, "format" | "version" | "files">> {
  const { spec, numericsId, engine, tuning, framesPerPass: batch } = record;
  const { width, height, ...others } = spec.settings;
  const known = isEngineName(engine) ? { engine } : {};
  const settings = { ...others, batch, size: `${width}x${height}`, ...known };
  const { ffmpeg } = await findPrograms();
  const { committedSteps, weightsHash } = tuning;
  return {
    ...{ command: "edit", source: spec.sourcePrompt, prompts: spec.prompts },
    negative: spec.negativePrompt,
    settings: decodeSettings(settings, "settings"),
    clip: {
      ...{ path: spec.videoId, sha256: spec.videoId, hash: clipHash(clip) },
      ...{ rate: rateText(clip.rate), startS: clip.startS, durationS: clip.durationS },
    },
    model: { source: spec.model, revision: null, name: spec.model, hash: spec.model },
    ...{ given: {}, numericsId, timings: phaseTimes(record), cluster: clusterRun(record) },
    tuning: committedSteps === 0 ? null : { step: committedSteps, weightsHash },
    versions: {
      ...{ retake: retakeVersion, node: process.versions.node },
      ffmpeg: ffmpeg.found ? ffmpeg.version : "none",
      platform: `${process.platform}-${process.arch}`,
    },
  };
}
