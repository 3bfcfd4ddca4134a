import type { Metadata } from "@grpc/grpc-js";
import { type CallContext, errorOfFailure, handleUnary } from "@retake/wire";
import { decodeNodeId, decodeNodeInfo, decodeToken } from "@retake/wire/decoders";
import {
  type DrainRequest,
  type DrainResponse,
  type HeartbeatRequest,
  type HeartbeatResponse,
  type JoinRequest,
  type JoinResponse,
  type ListNodesResponse,
  NodeState,
  type NodeStatus,
  type ScaleRequest,
} from "@retake/wire/membership";
import { type RunningTask, TaskKind } from "@retake/wire/node";
import type { NodeView } from "../job/cluster-state.js";
import type { Phase } from "../job/edit-record.js";
import type { Reign } from "../loop/reign.js";
import type { Cluster } from "./cluster.js";
import { flopsOf, memoryOf, ratesMessage, ratesOf } from "./node-rates.js";
import { scale } from "./scale.js";

const heartbeatsPerLease = 4;
const tasksMax = 64;

const states: Readonly<Record<NodeView["state"], NodeState>> = {
  ready: NodeState.NODE_STATE_READY,
  draining: NodeState.NODE_STATE_DRAINING,
  held: NodeState.NODE_STATE_HELD,
  quarantined: NodeState.NODE_STATE_QUARANTINED,
};

const kinds: Partial<Readonly<Record<Phase, TaskKind>>> = {
  encode: TaskKind.TASK_KIND_ENCODE,
  tune: TaskKind.TASK_KIND_TUNE,
  invert: TaskKind.TASK_KIND_INVERT,
  sample: TaskKind.TASK_KIND_SAMPLE,
  decode: TaskKind.TASK_KIND_DECODE,
};

/** The door for nodes. */
export function membershipService(cluster: Cluster) {
  const { called } = cluster;
  /** Who calls must be a node, or run the cluster. */
  const checked =
    <Request, Response>(handler: (request: Request, context: CallContext) => Promise<Response>) =>
    async (request: Request, context: CallContext): Promise<Response> => {
      cluster.assertOperator(context);
      return handler(request, context);
    };
  return {
    join: handleUnary(
      checked(async (request: JoinRequest, { metadata }) => join(cluster, request, metadata)),
      called("MembershipService.Join"),
    ),
    heartbeat: handleUnary(
      checked(async (request: HeartbeatRequest) => heartbeat(cluster.reign(), request)),
      called("MembershipService.Heartbeat"),
    ),
    drain: handleUnary(
      checked(async ({ nodeId }: DrainRequest, { signal }) =>
        drain(cluster.reign(), decodeNodeId(nodeId), signal),
      ),
      called("MembershipService.Drain"),
    ),
    scale: handleUnary(
      checked(async (request: ScaleRequest, { signal }) =>
        scale({ reign: cluster.reign(), scaler: cluster.scaler }, request, signal),
      ),
      called("MembershipService.Scale"),
    ),
    listNodes: handleUnary(
      checked(async (): Promise<ListNodesResponse> => {
        const reign = cluster.reign();
        const nodes = [...reign.state.nodes.values()];
        return { nodes: nodes.map((node) => statusOf(node, reign, cluster)) };
      }),
      called("MembershipService.ListNodes"),
    ),
  };
}

function join(cluster: Cluster, request: JoinRequest, metadata: Metadata): JoinResponse {
  const node = decodeNodeInfo(request.node);
  const reign = cluster.reign();
  const { nodeId, incarnation, protocolVersion, address, memoryBytes } = node;
  const { engine, numericsId } = node;
  const rates = ratesOf(request.rates);
  const models = node.models.map(({ frameCoupling = null, ...model }) => {
    const { hash, name, tunedParameters } = model;
    const [passMemory, passFlops] = [memoryOf(model.passMemory), flopsOf(model.passFlops)];
    return { hash, name, tunedParameters, frameCoupling, passMemory, passFlops };
  });
  const terms = { engine, numericsId, models };
  const info = { nodeId, incarnation, protocolVersion, address, memoryBytes, ...terms };
  // Before its first task: that is begun as soon as it has joined.
  const [shown] = metadata.get("authorization").map(String);
  if (shown !== undefined) cluster.nodeTokens.set(address, shown);
  const { refusal } = reign.tell({ kind: "node-joined", info, rates });
  if (refusal !== null) throw errorOfFailure(refusal);
  cluster.nodeInfos.set(nodeId, node);
  cluster.models.add(node.models);
  const { coordinatorId, natsServers, leaseDurationMs } = cluster;
  return {
    ...{ coordinatorId, epoch: reign.epoch, natsServers: [...natsServers], leaseDurationMs },
    heartbeatEveryMs: Math.floor(leaseDurationMs / heartbeatsPerLease),
  };
}

function heartbeat(reign: Reign, request: HeartbeatRequest): HeartbeatResponse {
  const nodeId = decodeNodeId(request.nodeId);
  const incarnation = decodeToken(request.incarnation, { subject: "incarnation" });
  const rates = ratesOf(request.rates);
  const taskIds = request.taskIds
    .slice(0, tasksMax)
    .map((id) => decodeToken(id, { subject: "task id" }));
  const { refusal } = reign.tell({ kind: "heartbeat", nodeId, incarnation, rates, taskIds });
  const { epoch } = reign;
  const mustDrain = reign.state.nodes.get(nodeId)?.state === "draining";
  return { epoch, mustJoin: refusal !== null, mustDrain: refusal === null && mustDrain };
}

/** The answer comes when the node holds no task, or is gone. */
async function drain(reign: Reign, nodeId: string, signal: AbortSignal): Promise<DrainResponse> {
  const { refusal } = reign.tell({ kind: "drain", nodeId });
  if (refusal !== null) throw errorOfFailure(refusal);
  for (;;) {
    const change = reign.changed("nodes", signal);
    change.catch(() => undefined);
    if ((reign.state.nodes.get(nodeId)?.tasks.length ?? 0) === 0) return {};
    await change;
  }
}

function statusOf(node: NodeView, reign: Reign, cluster: Cluster): NodeStatus {
  const { nodeId, incarnation } = node.info;
  const told = cluster.nodeInfos.get(nodeId);
  const leftMs = node.leaseEndsMs - reign.state.leaseClock.nowMs;
  return {
    node: told?.incarnation === incarnation ? told : undefined,
    ...{ state: states[node.state], rates: ratesMessage(node.rates), reason: node.reason },
    leaseExpiresUnixMs: Math.round(cluster.nowUnixMs() + Math.max(0, leftMs)),
    tasks: node.tasks.map(({ taskId, editId }): RunningTask => {
      const record = reign.state.edits.get(editId)?.record;
      const kind = record?.tasks.find(({ id }) => id === taskId)?.kind;
      const known = kind && kinds[kind];
      return { taskId, editId, kind: known ?? TaskKind.TASK_KIND_UNSPECIFIED };
    }),
  };
}
