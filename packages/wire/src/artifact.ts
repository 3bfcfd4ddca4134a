import { serializedChunk } from "./chunks/serialized-chunk.js";
import { ArtifactServiceService as Generated } from "./generated/retake/v1/artifact.js";

/** The coordinator's store of immutable bytes. */
export const ArtifactServiceService = {
  ...Generated,
  pull: { ...Generated.pull, responseSerialize: serializedChunk },
} as const;

export {
  ArtifactServiceClient,
  type ArtifactServiceServer,
  Chunk,
  CollectGarbageRequest,
  CollectGarbageResponse,
  PullRequest,
  PullResponse,
  StatRequest,
  StatResponse,
} from "./generated/retake/v1/artifact.js";
