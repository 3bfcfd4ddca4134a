import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import type { Artifact, ArtifactStore } from "../store/artifact-store.js";

/** Lets `work` use a folder that is removed when it has ended, however. */
export async function withWorkFolder<Result>(
  parent: string,
  work: (folder: string) => Promise<Result>,
): Promise<Result> {
  const folder = join(parent, randomUUID());
  await mkdir(folder, { recursive: true });
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Copies an artifact to a file: ffmpeg opens nothing else. */
export async function copyArtifact(
  artifacts: ArtifactStore,
  id: string,
  to: { readonly path: string; readonly signal: AbortSignal },
): Promise<void> {
  try {
    await pipeline(artifacts.read(id), createWriteStream(to.path), { signal: to.signal });
  } catch (thrown) {
    throw fromUnknown(thrown, `artifact ${id.slice(0, 12)}`);
  }
}

/** Stores a file. */
export async function storeFile(artifacts: ArtifactStore, path: string): Promise<Artifact> {
  return artifacts.put(createReadStream(path));
}

/** All bytes of an artifact of a known size, into a place of their own. */
export async function readInto(
  artifacts: ArtifactStore,
  id: string,
  place: Uint8Array,
): Promise<void> {
  let filled = 0;
  for await (const bytes of artifacts.read(id)) {
    if (filled + bytes.length > place.length) break;
    place.set(bytes, filled);
    filled += bytes.length;
  }
  if (filled === place.length) return;
  const message = `artifact ${id}: expected ${place.length} bytes, got others`;
  throw new RetakeError(Code.DataLoss, "file-truncated", message);
}
