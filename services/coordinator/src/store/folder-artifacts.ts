import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { faultPoint, fromUnknown } from "@retake/errors";
import type { ArtifactStore } from "./artifact-store.js";
import type { BlobBackend, Part } from "./blob-backend.js";
import { type ArtifactLimits, createArtifactStore } from "./create-artifact-store.js";
import { readChunkBytes } from "./limits.js";

/**
 * Artifacts as files of one folder, which one coordinator at a time writes. A file is flushed
 * before it takes its name, and the folder after.
 *
 * @throws RetakeError output-not-writable, disk-full
 */
export async function openFolderArtifacts(
  folder: string,
  limits: ArtifactLimits = {},
): Promise<ArtifactStore> {
  return typed(folder, async () => {
    await mkdir(join(folder, "artifacts"), { recursive: true });
    await mkdir(join(folder, "parts"), { recursive: true });
    return createArtifactStore(folderBackend(folder), limits);
  });
}

function folderBackend(folder: string): BlobBackend {
  const partPath = (name: string) => join(folder, "parts", name);
  const path = (id: string) => join(folder, "artifacts", id);
  const act = <Result>(work: () => Promise<Result>) => typed(folder, work);

  const partInfo = async (name: string) => {
    const found = await statOrMissing(partPath(name));
    return found && { name, sizeBytes: found.size, changedUnixMs: found.mtimeMs };
  };
  const statArtifact = async (id: string) => {
    const found = await statOrMissing(path(id));
    return found && { id, sizeBytes: found.size, storedUnixMs: found.mtimeMs };
  };
  return {
    openPart: (name) => act(() => openFile(partPath(name))),
    partInfo: (name) => act(() => partInfo(name)),
    parts: () => act(() => present(join(folder, "parts"), partInfo)),
    dropPart: (name) => act(() => rm(partPath(name), { force: true })),
    publish: (partName, { id }) =>
      act(async () => {
        await flush(partPath(partName));
        const now = new Date();
        await utimes(partPath(partName), now, now);
        await rename(partPath(partName), path(id));
        await flush(join(folder, "artifacts"));
      }),
    stat: (id) => act(() => statArtifact(id)),
    read: (id, offsetBytes) => readFrom(path(id), offsetBytes),
    touch: (id) => act(() => utimes(path(id), new Date(), new Date())),
    remove: (id) => act(() => rm(path(id), { force: true })),
    list: () => act(() => present(join(folder, "artifacts"), statArtifact)),
  };
}

async function openFile(path: string): Promise<Part> {
  const file = await open(path, "a");
  let sizeBytes = (await file.stat()).size;
  return {
    get sizeBytes() {
      return sizeBytes;
    },
    append: async (bytes) => {
      try {
        await typed(path, async () => {
          await faultPoint("artifact-write");
          await file.appendFile(bytes);
        });
      } finally {
        // A write that failed may have written some.
        sizeBytes = (await file.stat()).size;
      }
    },
    read: () => readFrom(path, 0),
    close: () => file.close(),
  };
}

async function* readFrom(path: string, offsetBytes: number): AsyncGenerator<Uint8Array> {
  const stream = createReadStream(path, { start: offsetBytes, highWaterMark: readChunkBytes });
  try {
    for await (const bytes of stream) yield bytes;
  } catch (thrown) {
    throw fromUnknown(thrown, `reading ${path}`);
  }
}

async function statOrMissing(path: string) {
  try {
    return await stat(path);
  } catch (thrown) {
    if (Object(thrown).code === "ENOENT") return undefined;
    throw thrown;
  }
}

async function present<Info>(folder: string, infoOf: (name: string) => Promise<Info | undefined>) {
  const infos: Info[] = [];
  for (const name of await readdir(folder)) {
    const info = await infoOf(name);
    if (info !== undefined) infos.push(info);
  }
  return infos;
}

async function flush(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function typed<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (thrown) {
    throw fromUnknown(thrown, `artifacts in ${path}`);
  }
}
