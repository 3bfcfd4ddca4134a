import { crc32 } from "node:zlib";
import { Code, RetakeError } from "@retake/errors";
import { chunkBytes, handleServerStream, handleUnary, type StreamContext } from "@retake/wire";
import type {
  CollectGarbageRequest,
  PullRequest,
  PullResponse,
  StatRequest,
  StatResponse,
} from "@retake/wire/artifact";
import { decodeArtifactId, wholeNumber } from "@retake/wire/decoders";
import type { ArtifactStore } from "../store/artifact-store.js";
import type { Cluster } from "./cluster.js";
import { removeGarbage } from "./garbage.js";

/** The store of immutable bytes, for nodes. */
export function artifactService(cluster: Cluster) {
  const { artifacts, called, assertOperator } = cluster;
  return {
    stat: handleUnary(async ({ artifactId }: StatRequest, context): Promise<StatResponse> => {
      assertOperator(context);
      const found = await artifacts.stat(decodeArtifactId(artifactId, { subject: "artifact" }));
      return { found: found !== undefined, sizeBytes: found?.sizeBytes ?? 0 };
    }, called("ArtifactService.Stat")),
    pull: handleServerStream(async (request: PullRequest, stream: StreamContext<PullResponse>) => {
      assertOperator(stream);
      await pull(artifacts, request, stream);
    }, called("ArtifactService.Pull")),
    collectGarbage: handleUnary(async (request: CollectGarbageRequest, context) => {
      assertOperator(context);
      return removeGarbage(cluster, request);
    }, called("ArtifactService.CollectGarbage")),
  };
}

async function pull(
  artifacts: ArtifactStore,
  request: PullRequest,
  { send }: StreamContext<PullResponse>,
): Promise<void> {
  const id = decodeArtifactId(request.artifactId, { subject: "artifact" });
  const found = await artifacts.stat(id);
  if (found === undefined) {
    const message = `artifact ${id}: expected to find it, got nothing; it may have expired`;
    throw new RetakeError(Code.NotFound, "artifact-missing", message);
  }
  const totalBytes = found.sizeBytes;
  const limits = { subject: "offset", min: 0, max: totalBytes };
  let offsetBytes = wholeNumber(request.offsetBytes, limits);
  const source = artifacts.read(id, { offsetBytes });
  for await (const data of inChunks(source)) {
    await send({ chunk: { offsetBytes, totalBytes, data, crc32: crc32(data) } });
    offsetBytes += data.length;
  }
}

/** The same bytes in full chunks, the last one less; no bytes are one empty chunk. */
async function* inChunks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let chunk = Buffer.alloc(chunkBytes);
  let filled = 0;
  let sentCount = 0;
  for await (const bytes of source) {
    for (let begin = 0; begin < bytes.length; ) {
      const part = bytes.subarray(begin, begin + chunkBytes - filled);
      chunk.set(part, filled);
      filled += part.length;
      begin += part.length;
      if (filled < chunkBytes) continue;
      yield chunk;
      // What was sent may not have left yet: the next bytes go elsewhere.
      chunk = Buffer.alloc(chunkBytes);
      filled = 0;
      sentCount += 1;
    }
  }
  if (filled > 0 || sentCount === 0) yield chunk.subarray(0, filled);
}
