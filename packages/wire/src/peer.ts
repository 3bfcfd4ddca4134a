/** What a node asks of another. */
export {
  LendBranchRequest,
  LendBranchResponse,
  ServeBranchRequest,
  ServeBranchResponse,
} from "./generated/retake/v1/node.js";
export {
  BranchOpen,
  BranchPass,
  PeerServiceClient,
  type PeerServiceServer,
  PeerServiceService,
  PredictBranchRequest,
  PredictBranchResponse,
  PullSnapshotRequest,
  PullSnapshotResponse,
} from "./generated/retake/v1/peer.js";
