import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Server as HttpServer } from "node:http";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import type { Server } from "@grpc/grpc-js";
import type { RetakeError } from "@retake/errors";
import { protocolVersion, typedRequests } from "@retake/wire";
import { decodeAddress, decodeArtifactId, decodeNodeId } from "@retake/wire/decoders";
import type { NodeInfo } from "@retake/wire/membership";
import { NodeServiceService } from "@retake/wire/node";
import { PeerServiceService } from "@retake/wire/peer";
import {
  type CallerRules,
  createServer,
  listenAt,
  openTls,
  plainTransport,
  type Refusal,
  type Transport,
} from "@retake/wire/tls";
import { HealthImplementation } from "grpc-health-check";
import type { Logger } from "pino";
import { FrameGroups } from "../frames/frame-groups.js";
import { createEngine } from "../runtime/create-engine.js";
import type { Engine, EngineName } from "../runtime/engine.js";
import { openModelFiles } from "../tasks/model-files.js";
import { openModel } from "../tasks/open-model.js";
import { knownPassDemands } from "../tasks/pass-demands.js";
import { ArtifactCache } from "./artifact-cache.js";
import { CallDesk } from "./call-desk.js";
import type { CoordinatorLink } from "./coordinator-link.js";
import { CoordinatorLinks } from "./coordinator-links.js";
import { LentPeers } from "./lent-peers.js";
import { MembershipLoop } from "./membership-loop.js";
import { ModelShelf, type ServedModel } from "./model-shelf.js";
import { NatsLink } from "./nats-link.js";
import type { NodeContext } from "./node-context.js";
import { NodeMeter } from "./node-meter.js";
import { createCallCounters, serveNodeMetrics } from "./node-metrics.js";
import { nodeService, peerService } from "./node-services.js";
import { TaskBoard } from "./task-board.js";

export interface GpuNodeOptions {
  /** host:port of each coordinator, or of a name that stands for several. */
  readonly coordinators: readonly string[];
  readonly nodeId: string;
  /**
   * Of the tenant "cluster"; needed where the coordinator listens beyond loopback. Without TLS, who
   * gives this node tasks must show it, too: a coordinator knows it from the join.
   */
  readonly token?: string | undefined;
  /** ca.crt, tls.crt and tls.key of a node; without them, calls can be read by all. */
  readonly tlsFolder?: string | undefined;
  /** Checkpoints to serve: folders, or names on the hub. */
  readonly models: readonly string[];
  readonly engine?: EngineName | undefined;
  /** Threads of a pass. Default one a core. */
  readonly threads?: number | undefined;
  /** What a pass may take. Default what the machine has, or the process may have of it. */
  readonly memoryBytes?: number | undefined;
  /** host:port to listen at; port 0 takes a free one. Default 127.0.0.1:0. */
  readonly listen?: string | undefined;
  /** How others reach this node, where that is not the address it listens at. */
  readonly advertise?: string | undefined;
  /** host:port of /metrics, /livez and /readyz; none without. */
  readonly metricsListen?: string | undefined;
  /** For artifacts, compiled programs and converted weights. */
  readonly cacheDir: string;
  /** What artifacts may take of it. Default 16 GiB. */
  readonly cacheBytesMax?: number | undefined;
  readonly logger: Logger;
}

/** A node that runs. */
export interface GpuNode {
  readonly nodeId: string;
  /** host:port. */
  readonly address: string;
  readonly numericsId: string;
  /** Settles when the coordinator has taken the node in; rejects if it never will. */
  readonly joined: Promise<void>;
  /** Takes no more tasks, hands over what it has at the next boundary, leaves, and closes. */
  drain(): Promise<void>;
  /** Ends at once: every task fails. */
  close(): Promise<void>;
  /** Settles when the node has closed, also when its coordinator asked it to drain. */
  readonly closed: Promise<void>;
}

const artifactBytesMax = 16 * 2 ** 30;

/**
 * Starts a node: opens its engine and models, listens, and joins.
 *
 * @throws RetakeError  what opening a model or an engine throws; `bad-message` for a name or
 *                      address that is none
 */
export async function createGpuNode(options: GpuNodeOptions): Promise<GpuNode> {
  const { nodeId, coordinators, logger } = options;
  decodeNodeId(nodeId);
  for (const name of coordinators) decodeAddress(name, { subject: "coordinator's address" });
  const threads = options.threads ?? availableParallelism();
  const engineName = options.engine ?? "onnx-cpu";
  const meter = new NodeMeter(performance.now.bind(performance));
  const opened = await openModels(options, { engineName, threads, meter });
  const [first] = opened.served;
  if (first !== undefined) await meter.measure(first.model);
  const transport = await openTransport(options);
  const link = new CoordinatorLinks(coordinators, { token: options.token ?? "", transport });
  const board = new TaskBoard((reason) => logger.debug({ nodeId, reason }, "task decision"));
  const nats = new NatsLink(nodeId, transport.nats);
  const calls = createCallCounters();
  const { expiresAtMs } = transport;
  const context: NodeContext = {
    ...{ nodeId, transport, board, models: new ModelShelf(opened.served) },
    artifacts: await openArtifacts(options, { link, meter }),
    ...{ workFolder: join(ownFolder(options), "work"), tunings: new Map() },
    ...{ branches: new CallDesk(), lent: new LentPeers(), nowMs: meter.nowMs },
    ...{ lentRanks: new LentPeers(), frames: new CallDesk(), groups: new FrameGroups() },
    nats: () => nats.connection(),
    onReconnect: (listener) => nats.onReconnect(listener),
    onError: (error) => logError(logger, error),
    onCallFailed: (method, error) => {
      calls.failed.inc({ method, reason: error.reason });
      logError(logger, error);
    },
  };
  const { server, port, readiness } = await listen(options, context, (refusal) => {
    calls.refused.inc({ service: refusal.service, caller: refusal.caller });
    logError(logger, refusal.error);
  });
  const { metricsListen } = options;
  const { isReady } = readiness;
  const metrics =
    metricsListen &&
    (await serveNodeMetrics(metricsListen, { board, meter, calls, expiresAtMs, isReady }));
  const host = (options.listen ?? "127.0.0.1:0").replace(/:\d+$/, "");
  const address = options.advertise ?? `${host}:${port}`;
  const info: NodeInfo = {
    ...{ nodeId, incarnation: randomUUID(), protocolVersion, address, pid: process.pid },
    ...{ version: ownVersion(), engine: engineName, numericsId: opened.engine.numericsId },
    ...{ threads, memoryBytes: memoryBytesOf(options), models: [...context.models.infos] },
  };
  const serving = { server, readiness, metrics: metrics || undefined };
  return runningNode({ options, info, context, link, meter, nats, ...serving, ...opened });
}

/** Whether the node takes tasks, as it says over gRPC and over HTTP. */
interface Readiness {
  readonly isReady: () => boolean;
  readonly end: () => void;
}

interface RunningParts {
  readonly options: GpuNodeOptions;
  readonly info: NodeInfo;
  readonly context: NodeContext;
  readonly link: CoordinatorLink;
  readonly meter: NodeMeter;
  readonly nats: NatsLink;
  readonly server: Server;
  readonly readiness: Readiness;
  readonly metrics: HttpServer | undefined;
  readonly engine: Engine;
}

/** Joins, and gives the handle by which the node is ended. */
function runningNode(parts: RunningParts): GpuNode {
  const { info, context, link, meter, nats, server, readiness, metrics, engine } = parts;
  const { nodeId, address, numericsId } = info;
  const { logger } = parts.options;
  let onClosed = (): void => {};
  const closed = new Promise<void>((resolve) => {
    onClosed = resolve;
  });
  const membership = new MembershipLoop({
    ...{ link, board: context.board, info, rates: () => meter.rates },
    onRoundTrip: (durationMs) => meter.onRoundTrip(durationMs),
    onJoined: ({ natsServers }) => nats.use(natsServers),
    onDrainAsked: () => void drain().catch((thrown: unknown) => logError(logger, thrown)),
    onReason: (reason) => logger.info({ nodeId, reason }, "membership"),
    nowMs: () => performance.now(),
  });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      membership.close();
      readiness.end();
      context.board.voidAll();
      await context.board.drain();
      server.forceShutdown();
      metrics?.close();
      link.close();
      context.transport.close();
      await nats.close();
      await engine.close();
      onClosed();
    })();
    return closing;
  };
  let draining: Promise<void> | undefined;
  const drain = (): Promise<void> => {
    draining ??= (async () => {
      logger.info({ nodeId }, "draining");
      readiness.end();
      await context.board.drain();
      // Without a coordinator there is nobody to tell: the lease runs out.
      await link.drain(nodeId).catch((thrown: unknown) => logError(logger, thrown));
      await close();
    })();
    return draining;
  };
  return { nodeId, address, numericsId, joined: membership.joined, drain, close, closed };
}

async function openModels(
  { models, cacheDir }: GpuNodeOptions,
  about: {
    readonly engineName: EngineName;
    readonly threads: number;
    readonly meter: NodeMeter;
  },
): Promise<{ readonly engine: Engine; readonly served: readonly ServedModel[] }> {
  const files = [];
  for (const source of models) files.push(await openModelFiles({ source, cacheDir }));
  const { engineName, threads, meter } = about;
  const engine = await createEngine(engineName, { threads, cacheDir });
  const served: ServedModel[] = [];
  for (const model of files) {
    const passDemands = await knownPassDemands(model, cacheDir);
    served.push({ model: openModel(model, engine, meter), passDemands });
  }
  return { engine, served };
}

/** What was given, else what the machine has, or as much of it as this process may have. */
function memoryBytesOf({ memoryBytes }: GpuNodeOptions): number {
  return memoryBytes ?? Math.min(totalmem(), process.constrainedMemory() || Infinity);
}

/** Programs and converted weights are shared by the nodes of a machine; what one pulls is not. */
function ownFolder({ cacheDir, nodeId }: GpuNodeOptions): string {
  return join(cacheDir, "nodes", nodeId);
}

async function openArtifacts(
  options: GpuNodeOptions,
  { link, meter }: { readonly link: CoordinatorLink; readonly meter: NodeMeter },
): Promise<ArtifactCache> {
  return ArtifactCache.open({
    folder: join(ownFolder(options), "artifacts"),
    bytesMax: options.cacheBytesMax ?? artifactBytesMax,
    pull: (id, signal) =>
      meter.measured(link.pull(decodeArtifactId(id, { subject: "artifact" }), signal)),
  });
}

/** By TLS: who may call what. Peers show the token of their job, too. */
const callers: CallerRules = {
  "/retake.v1.NodeService": ["coordinator"],
  "/retake.v1.PeerService": ["node"],
  "/grpc.health.v1.Health": ["anybody"],
};

async function openTransport({ tlsFolder, logger }: GpuNodeOptions): Promise<Transport> {
  if (tlsFolder === undefined) return plainTransport;
  return openTls(tlsFolder, {
    ...{ as: "node", nowMs: Date.now },
    onReload: () => logger.info({ tlsFolder }, "certificates changed"),
    onError: (error) => logError(logger, error),
  });
}

async function listen(
  options: GpuNodeOptions,
  context: NodeContext,
  onRefused: (refusal: Refusal) => void,
): Promise<{ server: Server; port: number; readiness: Readiness }> {
  const address = options.listen ?? "127.0.0.1:0";
  const { token = "" } = options;
  const tokenRule = token === "" ? undefined : { service: "/retake.v1.NodeService", token };
  const server = createServer(context.transport, { callers, tokenRule, onRefused });
  server.addService(typedRequests(NodeServiceService), nodeService(context));
  server.addService(typedRequests(PeerServiceService), peerService(context));
  const health = new HealthImplementation({ "": "SERVING" });
  health.addToServer(server);
  const port = await listenAt(server, { address, transport: context.transport });
  let isReady = true;
  const end = (): void => {
    isReady = false;
    health.setStatus("", "NOT_SERVING");
  };
  return { server, port, readiness: { isReady: () => isReady, end } };
}

function logError(logger: Logger, thrown: unknown): void {
  const error = thrown as RetakeError;
  const { code, reason, message } = error;
  if (reason === "bug") logger.error({ code, reason, err: error }, message);
  else logger.info({ code, reason }, message);
}

function ownVersion(): string {
  const path = new URL("../../package.json", import.meta.url);
  const { version = "0" }: { version?: string } = JSON.parse(readFileSync(path, "utf8"));
  return version;
}
