import { createHash } from "node:crypto";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { Code, RetakeError } from "@retake/errors";
import {
  chunksOf,
  handleServerStream,
  handleUnary,
  type StreamContext,
  serverOptions,
} from "@retake/wire";
import { ArtifactServiceService, type PullRequest, type PullResponse } from "@retake/wire/artifact";
import {
  type DrainRequest,
  type HeartbeatRequest,
  type HeartbeatResponse,
  type JoinRequest,
  type JoinResponse,
  MembershipServiceService,
  type NodeInfo,
} from "@retake/wire/membership";

/** As much of a coordinator as a node talks to. */
export interface FakeCoordinator {
  readonly address: string;
  /** What joined, in order. */
  readonly joined: NodeInfo[];
  readonly drained: string[];
  readonly heartbeats: HeartbeatRequest[];
  /** What every pull asked for. */
  readonly pulled: string[];
  /** What the next answers say; may be changed. */
  readonly says: { epoch: number; mustJoin: boolean; mustDrain: boolean; natsServers: string[] };
  /** Keeps an artifact, and names it. */
  put(bytes: Uint8Array): string;
  close(): void;
}

export async function fakeCoordinator(
  lease: { readonly leaseDurationMs: number; readonly heartbeatEveryMs: number } = {
    ...{ leaseDurationMs: 60_000, heartbeatEveryMs: 20_000 },
  },
): Promise<FakeCoordinator> {
  const artifacts = new Map<string, Uint8Array>();
  const seen = {
    ...{ joined: [] as NodeInfo[], drained: [] as string[], pulled: [] as string[] },
    heartbeats: [] as HeartbeatRequest[],
  };
  const says = { epoch: 1, mustJoin: false, mustDrain: false, natsServers: [] as string[] };
  const server = new Server(serverOptions);
  server.addService(MembershipServiceService, {
    join: handleUnary(
      async ({ node }: JoinRequest): Promise<JoinResponse> => {
        if (node !== undefined) seen.joined.push(node);
        says.mustJoin = false;
        const { epoch, natsServers } = says;
        return { coordinatorId: "fake", epoch, natsServers, ...lease };
      },
      { subject: "join" },
    ),
    heartbeat: handleUnary(
      async (request: HeartbeatRequest): Promise<HeartbeatResponse> => {
        seen.heartbeats.push(request);
        return says;
      },
      { subject: "heartbeat" },
    ),
    drain: handleUnary(
      async ({ nodeId }: DrainRequest) => {
        seen.drained.push(nodeId);
        return {};
      },
      { subject: "drain" },
    ),
  });
  const pull = async (
    { artifactId }: PullRequest,
    { send }: StreamContext<PullResponse>,
  ): Promise<void> => {
    seen.pulled.push(artifactId);
    const bytes = artifacts.get(artifactId);
    if (bytes === undefined) {
      throw new RetakeError(Code.NotFound, "artifact-missing", `artifact ${artifactId}: not here`);
    }
    for (const chunk of chunksOf(bytes)) await send({ chunk });
  };
  server.addService(ArtifactServiceService, {
    pull: handleServerStream(pull, { subject: "pull" }),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    ...{ address: `127.0.0.1:${port}`, says, ...seen },
    put: (bytes) => {
      const id = createHash("sha256").update(bytes).digest("hex");
      artifacts.set(id, bytes);
      return id;
    },
    close: () => server.forceShutdown(),
  };
}
