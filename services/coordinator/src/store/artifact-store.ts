/** Immutable bytes, named by the lowercase hex SHA-256 of them. */
export interface Artifact {
  readonly id: string;
  readonly sizeBytes: number;
}

export interface StoredArtifact extends Artifact {
  /** When it was last put, uploaded or touched, by the store's clock. */
  readonly storedUnixMs: number;
}

export interface UploadRequest {
  readonly id: string;
  /** Whose upload: two tenants that send the same file do not meet before it is whole. */
  readonly uploader: string;
  readonly sizeBytes: number;
  /** Bytes that `received` says are there. */
  readonly offsetBytes: number;
}

export interface UploadState {
  readonly receivedBytes: number;
  /** The artifact is there and whole. */
  readonly complete: boolean;
}

/**
 * An artifact is seen only when it is whole, and its bytes are what its id says. Who may see which
 * one is the caller's to know.
 */
export interface ArtifactStore {
  /** @throws RetakeError disk-full, artifact-too-large, checksum-mismatch; what the source does */
  put(
    source: AsyncIterable<Uint8Array>,
    options?: { readonly expectedId?: string },
  ): Promise<Artifact>;
  /**
   * Takes the next bytes of an upload. When the source ends or breaks off early, what came is kept,
   * and the next call goes on there. The last byte has the digest checked.
   *
   * @throws RetakeError upload-offset, upload-busy, checksum-mismatch (then it begins again)
   */
  upload(request: UploadRequest, source: AsyncIterable<Uint8Array>): Promise<UploadState>;
  received(upload: Pick<UploadRequest, "id" | "uploader">): Promise<UploadState>;
  /** @throws RetakeError artifact-missing */
  read(id: string, options?: { readonly offsetBytes?: number }): AsyncIterable<Uint8Array>;
  stat(id: string): Promise<StoredArtifact | undefined>;
  /** Makes it young again, so that a garbage collection under way leaves it; false: gone. */
  touch(id: string): Promise<boolean>;
  /** Removes it unless it was stored or touched later than that; says whether it is gone. */
  remove(id: string, options?: { readonly storedByUnixMs?: number }): Promise<boolean>;
  list(): Promise<readonly StoredArtifact[]>;
  /** Drops uploads to which nothing has come since; gives their number. */
  dropUploads(options: { readonly receivedByUnixMs: number }): Promise<number>;
}
