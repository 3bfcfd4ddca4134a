import type { ArtifactStore } from "./artifact-store.js";
import type { BlobBackend, Part } from "./blob-backend.js";
import { type ArtifactLimits, createArtifactStore } from "./create-artifact-store.js";
import { readChunkBytes } from "./limits.js";

interface Blob {
  bytes: Uint8Array;
  unixMs: number;
}

/** Artifacts in this process. */
export function createMemoryArtifacts(
  options: ArtifactLimits & { readonly nowUnixMs?: () => number } = {},
): Promise<ArtifactStore> {
  return createArtifactStore(memoryBackend(options.nowUnixMs ?? Date.now), options);
}

function memoryBackend(nowUnixMs: () => number): BlobBackend {
  const parts = new Map<string, Blob>();
  const artifacts = new Map<string, Blob>();
  const partInfo = (name: string) => {
    const part = parts.get(name);
    return part && { name, sizeBytes: part.bytes.length, changedUnixMs: part.unixMs };
  };
  const stat = (id: string) => {
    const found = artifacts.get(id);
    return found && { id, sizeBytes: found.bytes.length, storedUnixMs: found.unixMs };
  };
  return {
    openPart: async (name) => {
      const part = parts.get(name) ?? { bytes: new Uint8Array(), unixMs: nowUnixMs() };
      parts.set(name, part);
      return openBlob(part, nowUnixMs);
    },
    partInfo: async (name) => partInfo(name),
    parts: async () => [...parts.keys()].flatMap((name) => partInfo(name) ?? []),
    dropPart: async (name) => void parts.delete(name),
    publish: async (partName, { id }) => {
      const part = parts.get(partName);
      if (part === undefined) return;
      parts.delete(partName);
      artifacts.set(id, { ...part, unixMs: nowUnixMs() });
    },
    stat: async (id) => stat(id),
    read: (id, offsetBytes) =>
      chunks((artifacts.get(id)?.bytes ?? new Uint8Array()).subarray(offsetBytes)),
    touch: async (id) => {
      const found = artifacts.get(id);
      if (found !== undefined) found.unixMs = nowUnixMs();
    },
    remove: async (id) => void artifacts.delete(id),
    list: async () => [...artifacts.keys()].flatMap((id) => stat(id) ?? []),
  };
}

function openBlob(blob: Blob, nowUnixMs: () => number): Part {
  // Grows by doubling: a copy per chunk would make large artifacts quadratic.
  let buffer = blob.bytes;
  return {
    get sizeBytes() {
      return blob.bytes.length;
    },
    append: async (bytes) => {
      const sizeBytes = blob.bytes.length + bytes.length;
      if (sizeBytes > buffer.length) {
        const larger = new Uint8Array(Math.max(sizeBytes, 2 * buffer.length));
        larger.set(blob.bytes);
        buffer = larger;
      }
      buffer.set(bytes, blob.bytes.length);
      blob.bytes = buffer.subarray(0, sizeBytes);
      blob.unixMs = nowUnixMs();
    },
    read: () => chunks(blob.bytes),
    close: async () => undefined,
  };
}

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let begin = 0; begin < bytes.length; begin += readChunkBytes) {
    yield bytes.slice(begin, begin + readChunkBytes);
  }
}
