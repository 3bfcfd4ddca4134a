import type { StoredArtifact } from "./artifact-store.js";

/** A file that is being written, under a name that is no artifact's. */
export interface Part {
  readonly sizeBytes: number;
  append(bytes: Uint8Array): Promise<void>;
  /** What is there so far. */
  read(): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

export interface PartInfo {
  readonly name: string;
  readonly sizeBytes: number;
  readonly changedUnixMs: number;
}

/** Where bytes lie. It knows nothing of digests, bounds or uploads: `createArtifactStore` does. */
export interface BlobBackend {
  openPart(name: string): Promise<Part>;
  partInfo(name: string): Promise<PartInfo | undefined>;
  parts(): Promise<readonly PartInfo[]>;
  dropPart(name: string): Promise<void>;
  /** Makes a closed part the artifact: durable first, then visible, at once. */
  publish(partName: string, artifact: { readonly id: string }): Promise<void>;
  stat(id: string): Promise<StoredArtifact | undefined>;
  read(id: string, offsetBytes: number): AsyncIterable<Uint8Array>;
  touch(id: string): Promise<void>;
  remove(id: string): Promise<void>;
  list(): Promise<readonly StoredArtifact[]>;
}
