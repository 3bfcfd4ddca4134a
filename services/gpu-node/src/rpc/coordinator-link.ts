import { Metadata } from "@grpc/grpc-js";
import { type CallSettings, callUnary, readStream } from "@retake/wire";
import { ArtifactServiceClient, type Chunk } from "@retake/wire/artifact";
import {
  type HeartbeatRequest,
  type HeartbeatResponse,
  type JoinResponse,
  MembershipServiceClient,
  type NodeInfo,
  type NodeRates,
} from "@retake/wire/membership";
import type { Transport } from "@retake/wire/tls";

/** How long the coordinator may take to see that a node holds no task. */
const drainTimeoutMs = 60_000;

/** What a node asks of its coordinator. */
export interface CoordinatorLink {
  join(node: NodeInfo, rates: NodeRates): Promise<JoinResponse>;
  heartbeat(request: HeartbeatRequest): Promise<HeartbeatResponse>;
  drain(nodeId: string): Promise<void>;
  pull(artifactId: string, signal: AbortSignal): AsyncIterable<Chunk | undefined>;
  close(): void;
}

export interface CoordinatorLinkOptions {
  /** Empty: none. */
  readonly token: string;
  readonly transport: Transport;
}

/** Connects to a coordinator; nothing is sent before something is asked. */
export function connectCoordinator(
  address: string,
  { token, transport }: CoordinatorLinkOptions,
): CoordinatorLink {
  const channel = transport.to(address, "coordinator");
  const membership = new MembershipServiceClient(...channel);
  const artifacts = new ArtifactServiceClient(...channel);
  const to = `coordinator ${address}`;
  const metadata = new Metadata();
  if (token !== "") metadata.set("authorization", `Bearer ${token}`);
  const call = (subject: string): CallSettings => ({ subject, metadata });
  return {
    join: (node, rates) =>
      callUnary(membership.join.bind(membership), { node, rates }, call(`joining ${to}`)),
    heartbeat: (request) =>
      callUnary(membership.heartbeat.bind(membership), request, call(`heartbeat to ${to}`)),
    drain: async (nodeId) => {
      const settings = { ...call(`leaving ${to}`), timeoutMs: drainTimeoutMs };
      await callUnary(membership.drain.bind(membership), { nodeId }, settings);
    },
    pull: async function* (artifactId, signal) {
      const request = { artifactId, offsetBytes: 0 };
      const settings = { ...call(`artifact ${artifactId.slice(0, 12)} of ${to}`), signal };
      const answers = readStream(artifacts.pull.bind(artifacts), request, settings);
      for await (const { chunk } of answers) yield chunk;
    },
    close: () => {
      membership.close();
      artifacts.close();
    },
  };
}
