import { makeGenericClientConstructor } from "@grpc/grpc-js";
import { deserializedChunk, serializedChunk } from "./chunks/serialized-chunk.js";
import {
  PeerServiceService as Generated,
  PeerServiceClient as GeneratedClient,
} from "./generated/retake/v1/peer.js";

export {
  LendBranchRequest,
  LendBranchResponse,
  LendFramesRequest,
  LendFramesResponse,
  ServeBranchRequest,
  ServeBranchResponse,
  ServeFramesRequest,
  ServeFramesResponse,
} from "./generated/retake/v1/node.js";

/** What a node asks of another. */
export const PeerServiceService = {
  ...Generated,
  pullSnapshot: {
    ...Generated.pullSnapshot,
    responseSerialize: serializedChunk,
    responseDeserialize: deserializedChunk,
  },
} as const;

export const PeerServiceClient = makeGenericClientConstructor(
  PeerServiceService,
  GeneratedClient.serviceName,
) as unknown as typeof GeneratedClient;
export type PeerServiceClient = GeneratedClient;

export {
  BranchOpen,
  BranchPass,
  FramesMember,
  FramesOpen,
  FramesPass,
  type PeerServiceServer,
  PredictBranchRequest,
  PredictBranchResponse,
  PullActivationsRequest,
  PullActivationsResponse,
  PullSnapshotRequest,
  PullSnapshotResponse,
  RunFramesRequest,
  RunFramesResponse,
} from "./generated/retake/v1/peer.js";
