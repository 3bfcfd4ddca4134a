import { join } from "node:path";
import type { EditRecord, EditSettings } from "../job/edit-record.js";
import type { TaskResult } from "../job/events.js";
import { type DecodedClip, type DecodeOptions, decodeClip } from "../media/decode.js";
import { clipStartOf } from "../settings/clip-places.js";
import { badOption } from "../settings/decode-setting.js";
import { clipSpecs } from "../settings/setting-specs.js";
import type { ArtifactStore } from "../store/artifact-store.js";
import { copyArtifact, withWorkFolder } from "./artifact-file.js";

export interface MediaContext {
  readonly artifacts: ArtifactStore;
  readonly workFolder: string;
  readonly signal: AbortSignal;
}

/** Decodes the clip: its frames, raw, one after the other. */
export async function ingest(record: EditRecord, context: MediaContext): Promise<TaskResult> {
  const { artifacts, workFolder } = context;
  return withWorkFolder(workFolder, async (folder) => {
    const { pixels } = await sourceClip(record, { ...context, folder });
    const { id: artifactId } = await artifacts.put(slices(pixels));
    return { artifactId, files: [] };
  });
}

/** The clip of an edit, and its video as a file in the folder. */
export async function sourceClip(
  { spec }: EditRecord,
  context: MediaContext & { readonly folder: string },
): Promise<DecodedClip & { readonly path: string }> {
  const { artifacts, signal, folder } = context;
  const path = join(folder, "source");
  await copyArtifact(artifacts, spec.videoId, { path, signal });
  const clip = await decodeClip(path, { ...decodeOptions(spec.settings), signal });
  return { ...clip, path };
}

function decodeOptions({ frames, stride, start, width, height, fit }: EditSettings): DecodeOptions {
  const { decode } = clipSpecs.fit;
  const known = decode(fit, "fit");
  if (known !== "crop" && known !== "letterbox" && known !== "stretch") {
    throw badOption("fit", { expected: "a way to fit", got: fit });
  }
  return { frames, stride, start: clipStartOf(start), width, height, fit: known };
}

const sliceBytes = 2 ** 20;

async function* slices(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let begin = 0; begin < bytes.length; begin += sliceBytes) {
    yield bytes.subarray(begin, begin + sliceBytes);
  }
}
