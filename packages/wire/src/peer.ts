import { serializedChunk } from "./chunks/serialized-chunk.js";
import { PeerServiceService as Generated } from "./generated/retake/v1/peer.js";

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
  pullSnapshot: { ...Generated.pullSnapshot, responseSerialize: serializedChunk },
} as const;

export {
  BranchOpen,
  BranchPass,
  FramesMember,
  FramesOpen,
  FramesPass,
  PeerServiceClient,
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
