import { createHash } from "node:crypto";
import { Code, RetakeError } from "@retake/errors";
import { badMessage, decodeArtifactId, wholeNumber } from "@retake/wire/decoders";
import type { UploadRequest, UploadResponse } from "@retake/wire/edit";
import type { ArtifactStore } from "../store/artifact-store.js";

const sizeBytesMax = 2 ** 50;

/**
 * Takes the rest of a file, chunk by chunk; what came is kept when the call breaks off.
 *
 * @throws RetakeError  `bad-message` for chunks of two files, or out of order; `checksum-mismatch`;
 *                      `file-truncated` where bytes are missing; as `ArtifactStore.upload`
 */
export async function takeUpload(
  artifacts: ArtifactStore,
  requests: AsyncIterable<UploadRequest>,
  { tenant }: { readonly tenant: string },
): Promise<UploadResponse> {
  const iterator = requests[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true) throw badMessage("upload", { expected: "a chunk", got: "none" });
  const { artifactId, sizeBytes, offsetBytes } = first.value;
  const id = decodeArtifactId(artifactId, { subject: "upload" });
  wholeNumber(sizeBytes, { subject: "upload: size", min: 1, max: sizeBytesMax });
  wholeNumber(offsetBytes, { subject: "upload: offset", min: 0, max: sizeBytes });
  const request = { id, uploader: tenant, sizeBytes, offsetBytes };
  const { complete, receivedBytes } = await artifacts.upload(
    request,
    checked(first.value, iterator),
  );
  if (complete) return { artifactId };
  const message = `upload: expected ${sizeBytes} bytes, got ${receivedBytes}; go on from there`;
  throw new RetakeError(Code.DataLoss, "file-truncated", message);
}

async function* checked(
  first: UploadRequest,
  rest: AsyncIterator<UploadRequest>,
): AsyncGenerator<Uint8Array> {
  let nextBytes = first.offsetBytes;
  let chunk: IteratorResult<UploadRequest> = { done: false, value: first };
  for (; chunk.done !== true; chunk = await rest.next()) {
    const { artifactId, sizeBytes, offsetBytes, data, dataSha256 } = chunk.value;
    if (artifactId !== first.artifactId || sizeBytes !== first.sizeBytes) {
      throw badMessage("upload", { expected: "chunks of one file", got: "another's" });
    }
    if (offsetBytes !== nextBytes) {
      throw badMessage("upload: offset", { expected: String(nextBytes), got: offsetBytes });
    }
    const digest = createHash("sha256").update(data).digest();
    if (!digest.equals(dataSha256)) {
      const message = `upload: the chunk at ${offsetBytes} has another SHA-256; send it again`;
      throw new RetakeError(Code.DataLoss, "checksum-mismatch", message);
    }
    nextBytes += data.length;
    yield data;
  }
}
