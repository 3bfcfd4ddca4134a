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
  /** What the next answers say; may be changed. One that does not lead refuses. */
  readonly says: {
    leads: boolean;
    epoch: number;
    mustJoin: boolean;
    mustDrain: boolean;
    natsServers: string[];
  };
  /** Keeps an artifact, and names it. */
  put(bytes: Uint8Array): string;
  close(): void;
}

interface LeaseTerms {
  readonly leaseDurationMs: number;
  readonly heartbeatEveryMs: number;
}

export async function fakeCoordinator(
  lease: LeaseTerms = { leaseDurationMs: 60_000, heartbeatEveryMs: 20_000 },
): Promise<FakeCoordinator> {
  const artifacts = new Map<string, Uint8Array>();
  const seen = {
    ...{ joined: [] as NodeInfo[], drained: [] as string[], pulled: [] as string[] },
    heartbeats: [] as HeartbeatRequest[],
  };
  const says = {
    leads: true,
    epoch: 1,
    mustJoin: false,
    mustDrain: false,
    natsServers: [] as string[],
  };
  const server = new Server(serverOptions);
  server.addService(MembershipServiceService, membership({ seen, says, lease }));
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

/** The door for nodes: notes what it is told, and answers what it was told to. */
function membership({
  seen,
  says,
  lease,
}: {
  readonly seen: Pick<FakeCoordinator, "joined" | "drained" | "heartbeats">;
  readonly says: FakeCoordinator["says"];
  readonly lease: LeaseTerms;
}) {
  const assertLeads = (): void => {
    if (!says.leads) throw new RetakeError(Code.Unavailable, "not-active", "another leads");
  };
  return {
    join: handleUnary(
      async ({ node }: JoinRequest): Promise<JoinResponse> => {
        assertLeads();
        if (node !== undefined) seen.joined.push(node);
        says.mustJoin = false;
        const { epoch, natsServers } = says;
        return { coordinatorId: "fake", epoch, natsServers, ...lease };
      },
      { subject: "join" },
    ),
    heartbeat: handleUnary(
      async (request: HeartbeatRequest): Promise<HeartbeatResponse> => {
        assertLeads();
        seen.heartbeats.push(request);
        const { epoch, mustJoin, mustDrain } = says;
        return { epoch, mustJoin, mustDrain };
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
  };
}
