/** The coordinator's door for nodes. */
export {
  DrainRequest,
  DrainResponse,
  HeartbeatRequest,
  HeartbeatResponse,
  JoinRequest,
  JoinResponse,
  ListNodesRequest,
  ListNodesResponse,
  MembershipServiceClient,
  type MembershipServiceServer,
  MembershipServiceService,
  ModelInfo,
  NodeInfo,
  NodeRates,
  NodeState,
  NodeStatus,
} from "./generated/retake/v1/membership.js";
