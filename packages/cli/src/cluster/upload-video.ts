import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { fileDigest } from "@retake/coordinator/result";
import { fromUnknown } from "@retake/errors";
import { callUnary, chunkBytes, sendStream } from "@retake/wire";
import type { UploadRequest } from "@retake/wire/edit";
import { assertReadable } from "../errors/missing-file.js";
import type { ClusterClient } from "./cluster-client.js";

/**
 * Sends a video, unless it is there; what an earlier try has sent is not sent again.
 *
 * @returns  its id
 */
export async function uploadVideo(
  { edits, call, patiently }: ClusterClient,
  path: string,
  signal: AbortSignal,
): Promise<string> {
  await assertReadable(path, { what: "a video file" });
  const { sha256: artifactId, bytes: sizeBytes } = await fileDigest(path, signal);
  await patiently(async () => {
    const asked = call("asking for the upload");
    const { receivedBytes, complete } = await callUnary(
      edits.getUpload.bind(edits),
      { artifactId },
      asked,
    );
    if (complete) return;
    const chunks = chunksOf(path, { artifactId, sizeBytes, offsetBytes: receivedBytes });
    await sendStream(edits.upload.bind(edits), chunks, call(`uploading ${path}`));
  });
  return artifactId;
}

async function* chunksOf(
  path: string,
  upload: Pick<UploadRequest, "artifactId" | "sizeBytes" | "offsetBytes">,
): AsyncGenerator<UploadRequest> {
  let { offsetBytes } = upload;
  try {
    const stream = createReadStream(path, { start: offsetBytes, highWaterMark: chunkBytes });
    for await (const part of stream) {
      const data = part as Buffer;
      const dataSha256 = createHash("sha256").update(data).digest();
      yield { ...upload, offsetBytes, data, dataSha256 };
      offsetBytes += data.length;
    }
  } catch (thrown) {
    throw fromUnknown(thrown, `reading ${path}`);
  }
}
