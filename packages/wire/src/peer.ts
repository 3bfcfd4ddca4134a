/** What a node asks of another. */
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
export {
  BranchOpen,
  BranchPass,
  FramesMember,
  FramesOpen,
  FramesPass,
  PeerServiceClient,
  type PeerServiceServer,
  PeerServiceService,
  PredictBranchRequest,
  PredictBranchResponse,
  PullActivationsRequest,
  PullActivationsResponse,
  PullSnapshotRequest,
  PullSnapshotResponse,
  RunFramesRequest,
  RunFramesResponse,
} from "./generated/retake/v1/peer.js";
