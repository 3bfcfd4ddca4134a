/** The coordinator's store of immutable bytes. */
export {
  ArtifactServiceClient,
  type ArtifactServiceServer,
  ArtifactServiceService,
  Chunk,
  CollectGarbageRequest,
  CollectGarbageResponse,
  PullRequest,
  PullResponse,
  StatRequest,
  StatResponse,
} from "./generated/retake/v1/artifact.js";
