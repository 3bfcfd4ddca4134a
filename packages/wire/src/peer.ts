/** What a node asks of another. */
export {
  OpenBranchRequest,
  OpenBranchResponse,
  PeerServiceClient,
  type PeerServiceServer,
  PeerServiceService,
  PredictBranchRequest,
  PredictBranchResponse,
  PullSnapshotRequest,
  PullSnapshotResponse,
} from "./generated/retake/v1/peer.js";
