import { makeGenericClientConstructor } from "@grpc/grpc-js";
import { deserializedChunk, serializedChunk } from "./chunks/serialized-chunk.js";
import {
  ArtifactServiceService as Generated,
  ArtifactServiceClient as GeneratedClient,
} from "./generated/retake/v1/artifact.js";

/** The coordinator's store of immutable bytes. */
export const ArtifactServiceService = {
  ...Generated,
  pull: {
    ...Generated.pull,
    responseSerialize: serializedChunk,
    responseDeserialize: deserializedChunk,
  },
} as const;

export const ArtifactServiceClient = makeGenericClientConstructor(
  ArtifactServiceService,
  GeneratedClient.serviceName,
) as unknown as typeof GeneratedClient;
export type ArtifactServiceClient = GeneratedClient;

export {
  type ArtifactServiceServer,
  Chunk,
  CollectGarbageRequest,
  CollectGarbageResponse,
  PullRequest,
  PullResponse,
  StatRequest,
  StatResponse,
} from "./generated/retake/v1/artifact.js";
