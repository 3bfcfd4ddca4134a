import { typedRequests } from "@retake/wire";
import { ArtifactServiceService } from "@retake/wire/artifact";
import { EditServiceService } from "@retake/wire/edit";
import { MembershipServiceService } from "@retake/wire/membership";
import {
  type CallerRules,
  createServer,
  listenAt,
  type Refusal,
  type Transport,
} from "@retake/wire/tls";
import { HealthImplementation } from "grpc-health-check";
import { artifactService } from "./artifact-service.js";
import type { Cluster } from "./cluster.js";
import { editService } from "./edit-service.js";
import { membershipService } from "./membership-service.js";
import { addReflection } from "./reflection.js";

const shutdownDurationMs = 2_000;
/** All connections are told so at once, and not for each call. */
const turnAwayEveryMs = 1_000;
/** How long a call that began under this coordinator's lead may go on after it. */
const callAfterLeadMsMax = 600_000;

/** By TLS: who may call what. Tokens are looked at after that, as without TLS. */
const callers: CallerRules = {
  "/retake.v1.EditService": ["client", "token"],
  "/retake.v1.MembershipService": ["node"],
  "/retake.v1.MembershipService/ListNodes": ["client", "token"],
  "/retake.v1.MembershipService/Drain": ["node", "client", "token"],
  "/retake.v1.MembershipService/Scale": ["client", "token"],
  "/retake.v1.ArtifactService": ["node"],
  "/retake.v1.ArtifactService/CollectGarbage": ["client", "token"],
  "/grpc.health.v1.Health": ["anybody"],
  "/grpc.reflection.v1.ServerReflection": ["client", "token"],
  "/grpc.reflection.v1alpha.ServerReflection": ["client", "token"],
};

export interface GrpcServer {
  readonly port: number;
  /**
   * Whether calls are answered. When they no longer are, callers are told to connect anew: behind
   * one address for all coordinators, a connection that stays would never reach the next leader.
   */
  setServing(isServing: boolean): void;
  /**
   * A call was refused because another coordinator leads: its connection was made to the wrong one,
   * as the way to the leader was not known yet. So callers are told to connect anew.
   */
  turnAway(): void;
  /** What its health says. */
  isServing(): boolean;
  close(): Promise<void>;
}

/** Serves all that a coordinator answers. */
export async function serveGrpc(
  cluster: Cluster,
  options: {
    readonly listen: string;
    readonly reflects: boolean;
    readonly transport: Transport;
    readonly onRefused: (refusal: Refusal) => void;
  },
): Promise<GrpcServer> {
  const { listen, reflects, transport, onRefused } = options;
  const server = createServer(transport, { callers, onRefused });
  server.addService(typedRequests(EditServiceService), editService(cluster));
  server.addService(typedRequests(MembershipServiceService), membershipService(cluster));
  server.addService(typedRequests(ArtifactServiceService), artifactService(cluster));
  const health = new HealthImplementation({ "": "NOT_SERVING" });
  health.addToServer(server);
  if (reflects) await addReflection(server);
  const port = await listenAt(server, { address: listen, transport });
  const address = listen.replace(/:\d+$/, `:${port}`);
  let wasServing = false;
  let turning: NodeJS.Timeout | undefined;
  const turnAway = (): void => server.drain(address, callAfterLeadMsMax);
  return {
    port,
    turnAway: () => {
      // After the answer that says why, and those of whoever asks meanwhile.
      turning ??= setTimeout(() => {
        turning = undefined;
        if (!wasServing) turnAway();
      }, turnAwayEveryMs).unref();
    },
    setServing: (isServing) => {
      health.setStatus("", isServing ? "SERVING" : "NOT_SERVING");
      if (wasServing && !isServing) turnAway();
      wasServing = isServing;
    },
    isServing: () => wasServing,
    close: async () => {
      health.setStatus("", "NOT_SERVING");
      wasServing = false;
      clearTimeout(turning);
      // Watches and node streams do not end by themselves.
      const timer = setTimeout(() => server.forceShutdown(), shutdownDurationMs);
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      clearTimeout(timer);
    },
  };
}
