import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NatsConnection } from "@nats-io/transport-node";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import { protocolVersion, serveMetrics } from "@retake/wire";
import { decodeAddress } from "@retake/wire/decoders";
import { openTls, plainTransport, type Refusal, type Transport } from "@retake/wire/tls";
import type { Logger } from "pino";
import { type DecideOptions, defaultOptions } from "./job/cluster-state.js";
import type { EditStores } from "./loop/adopt.js";
import { leadAgainAndAgain } from "./loop/leadership.js";
import type { NodePlace } from "./loop/node-discovery.js";
import { storeCodecs } from "./loop/record-codec.js";
import { Reign } from "./loop/reign.js";
import { followPods } from "./pods/follow-pods.js";
import { PoolScaler } from "./pool/pool-scaler.js";
import { type Cluster, notActive } from "./rpc/cluster.js";
import { collectRegularly, defaultGarbageOptions, type GarbageOptions } from "./rpc/garbage.js";
import { serveGrpc } from "./rpc/grpc-server.js";
import { createMetrics, type Metrics } from "./rpc/metrics.js";
import { ModelCatalog } from "./rpc/model-catalog.js";
import { createVideoProbes } from "./rpc/submit.js";
import { operatorsBy, readTokens, tenantsBy } from "./rpc/tokens.js";
import type { ArtifactStore } from "./store/artifact-store.js";
import type { EpochLock } from "./store/epoch-lock.js";
import { openFolderArtifacts } from "./store/folder-artifacts.js";
import { openJetStreamStores } from "./store/jetstream-stores.js";
import { createMemoryArtifacts } from "./store/memory-artifacts.js";
import { createMemoryStores } from "./store/memory-stores.js";
import { connectNats } from "./store/nats-connection.js";
import { openSurroundings, type Surroundings, type SurroundingsOptions } from "./surroundings.js";
import { createTaskRunner } from "./tasks/run-tasks.js";

export interface CoordinatorOptions extends SurroundingsOptions {
  /** host:port; port 0 takes a free one. Default 127.0.0.1:0. */
  readonly listen?: string | undefined;
  /** How nodes and clients reach it, where that is not what it listens at. */
  readonly advertise?: string | undefined;
  /** The cluster's NATS; without one, all state is in this process and goes with it. */
  readonly natsServers?: readonly string[] | undefined;
  /** Begins every name in NATS. Default "retake". */
  readonly storeName?: string | undefined;
  readonly replicas?: 1 | 3 | undefined;
  /** For artifacts; without one, they are in this process. */
  readonly storeFolder?: string | undefined;
  /** Names the callers' tenants; needed unless it listens on loopback. */
  readonly tokensFile?: string | undefined;
  /** ca.crt, tls.crt and tls.key of a coordinator; without them, calls can be read by all. */
  readonly tlsFolder?: string | undefined;
  /** host:port of /metrics, /livez and /readyz; none without. */
  readonly metricsListen?: string | undefined;
  /** Says over gRPC what can be called. Default false. */
  readonly reflects?: boolean | undefined;
  readonly garbage?: Partial<GarbageOptions> | undefined;
  readonly decide?: Partial<DecideOptions> | undefined;
}

/** A coordinator that runs. */
export interface Coordinator {
  readonly id: string;
  /** host:port. */
  readonly address: string;
  /** host:port; undefined if it serves no metrics. */
  readonly metricsAddress: string | undefined;
  /** Settles when it leads for the first time. */
  readonly active: Promise<void>;
  /** Gives up its lead, and ends: what was accepted goes on with the next coordinator. */
  close(): Promise<void>;
}

/**
 * Starts a coordinator: opens its store, listens, and leads as soon as no other does.
 *
 * @throws RetakeError  what opening the store or listening throws; `bad-option` for an address
 *                      that is none, or one that needs tokens, or a Kubernetes that is not there
 */
export async function createCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const { logger, listen = "127.0.0.1:0" } = options;
  const id = `${options.kubernetes?.pod ?? "coordinator"}-${randomUUID().slice(0, 8)}`;
  const callers = await openCallers(options, listen);
  const transport = await openTransport(options);
  const surroundings = await openSurroundings(options);
  const opened = await openStores(options, { name: id, transport });
  const { stores, artifacts } = opened;
  const lock = surroundings.createLock(stores.leaders);
  const workFolder = join(options.storeFolder ?? tmpdir(), `retake-work-${id}`);
  await mkdir(workFolder, { recursive: true });
  let reign: Reign | undefined;
  const { expiresAtMs } = transport;
  const { discovery, standsBy } = surroundings;
  const about = { version: ownVersion(), nowUnixMs: Date.now, expiresAtMs, discovery };
  const metrics = createMetrics(() => reign, about);
  const decideOptions = decideOptionsOf(options);
  const cluster: Cluster = {
    reign: () => {
      if (reign !== undefined && !reign.signal.aborted) return reign;
      server.turnAway();
      throw notActive({ id, leader: surroundings.leader() });
    },
    ...{ ...callers, stores, artifacts, models: new ModelCatalog() },
    ...{ nodeInfos: new Map(), nodeTokens: new Map() },
    ...{ coordinatorId: id, natsServers: options.natsServers ?? [], nowUnixMs: Date.now },
    videos: createVideoProbes(artifacts, workFolder),
    scaler: new PoolScaler(surroundings.pool, { logger }),
    ...{ workFolder, leaseDurationMs: decideOptions.leaseDurationMs },
    called: (subject) => ({ subject, onError: callFailed(subject, { metrics, logger }) }),
  };
  const onRefused = refusalTold(metrics, logger);
  const server = await serveGrpc(cluster, {
    ...{ listen, reflects: options.reflects ?? false, transport, onRefused },
  });
  let closing: Promise<void> | undefined;
  const isReady = (): boolean => closing === undefined && (server.isServing() || standsBy());
  const metricsServer = await openMetrics({ registry: metrics.registry, isReady }, options);
  const leading = lead(options, cluster, {
    ...{ decideOptions, metrics, transport, lock },
    onReign: (now) => {
      reign = now;
      server.setServing(now !== undefined);
      surroundings.sign.setLeads(now !== undefined);
      if (now !== undefined) followPool(now, { ...surroundings, metrics, logger, id });
    },
  });
  const garbage = { ...defaultGarbageOptions, ...options.garbage };
  const following = followSurroundings(surroundings, { metrics, logger, reign: () => reign });
  const stopCollecting = collectRegularly(cluster, garbage, logger);
  const close = async (): Promise<void> => {
    await stopCollecting();
    await following.stop();
    await leading.stop();
    await server.close();
    metricsServer?.server.close();
    await opened.close();
    transport.close();
    await rm(workFolder, { recursive: true, force: true });
  };
  const address = options.advertise ?? listen.replace(/:\d+$/, `:${server.port}`);
  return {
    ...{ id, address, active: leading.active, metricsAddress: metricsServer?.address },
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** Members of a tuning exchange gradients over NATS: without one, each tunes alone. */
function decideOptionsOf({ natsServers = [], decide }: CoordinatorOptions): DecideOptions {
  const alone = natsServers.length === 0 ? { membersMax: 1 } : {};
  return { ...defaultOptions, ...alone, protocolVersion, ...decide };
}

/** What becomes of nodes is told to the pods that they run in, where they run in pods. */
function followPool(reign: Reign, { pods, metrics, logger, id }: FollowedPool): void {
  if (pods === undefined) return;
  const about = { reign, coordinatorId: id, logger, nowUnixMs: Date.now };
  void followPods({ ...pods, ...about, onFailed: metrics.onPodWriteFailed }).catch(
    (thrown: unknown) => {
      logger.error({ err: thrown }, fromUnknown(thrown, "following pods").message);
    },
  );
}

interface FollowedPool extends Pick<Surroundings, "pods"> {
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** The coordinator's. */
  readonly id: string;
}

/** Leads whenever nobody else does, until it is stopped. */
function lead(
  { logger }: CoordinatorOptions,
  { coordinatorId, stores, artifacts, workFolder, nodeTokens }: Cluster,
  about: {
    readonly decideOptions: DecideOptions;
    readonly metrics: Metrics;
    readonly transport: Transport;
    readonly lock: EpochLock;
    readonly onReign: (reign: Reign | undefined) => void;
  },
): { readonly active: Promise<void>; readonly stop: () => Promise<void> } {
  const { decideOptions, metrics, transport, lock, onReign } = about;
  const stop = new AbortController();
  const own = { artifacts, workFolder, retakeVersion: ownVersion() };
  const tasks = { ...own, logger, transport, nodeTokens };
  const options = {
    ...{ coordinatorId, stores, decideOptions, nowUnixMs: Date.now, logger },
    createRunner: (begun: Reign) => createTaskRunner(begun, tasks),
    onDecision: metrics.onDecision,
  };
  let onActive = (): void => {};
  const active = new Promise<void>((resolve) => {
    onActive = resolve;
  });
  const leading = leadAgainAndAgain({
    ...{ coordinatorId, stores, logger, lock, signal: stop.signal },
    begin: (epoch, taken) => new Reign({ ...options, epoch }, taken),
    onReign: (now) => {
      onReign(now);
      if (now !== undefined) onActive();
    },
  }).catch((thrown: unknown) => {
    logger.fatal({ err: thrown }, fromUnknown(thrown, "leading").message);
  });
  return {
    active,
    stop: async () => {
      stop.abort();
      await leading;
    },
  };
}

/** Until it is stopped, tells the reign of nodes that are gone, and those outside who leads. */
function followSurroundings(
  { discovery, sign }: Surroundings,
  { metrics, logger, reign }: Followers,
): { readonly stop: () => Promise<void> } {
  const ending = new AbortController();
  const { signal } = ending;
  const onGone = ({ nodeId, address }: NodePlace): void => {
    const now = reign();
    if (now?.state.nodes.has(nodeId) === true) now.tell({ kind: "node-gone", nodeId, address });
  };
  const onFailed = ({ code, reason, message }: RetakeError): void => {
    logger.warn({ code, reason }, message);
    metrics.onPodWriteFailed("label");
  };
  const logged = (what: string) => (thrown: unknown) => {
    logger.error({ err: thrown }, fromUnknown(thrown, what).message);
  };
  const following = [
    discovery.follow({ signal, onGone }).catch(logged("looking for nodes")),
    sign.follow({ signal, onFailed }).catch(logged("saying who leads")),
  ];
  return {
    stop: async () => {
      ending.abort();
      await Promise.all(following);
    },
  };
}

interface Followers {
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly reign: () => Reign | undefined;
}

interface OpenedStores {
  readonly stores: EditStores;
  readonly artifacts: ArtifactStore;
  close(): Promise<void>;
}

async function openTransport({ tlsFolder, logger }: CoordinatorOptions): Promise<Transport> {
  if (tlsFolder === undefined) return plainTransport;
  return openTls(tlsFolder, {
    ...{ as: "coordinator", nowMs: Date.now },
    onReload: () => logger.info({ tlsFolder }, "certificates changed"),
    onError: ({ code, reason, message }) => logger.error({ code, reason }, message),
  });
}

async function openStores(
  options: CoordinatorOptions,
  { name, transport }: { readonly name: string; readonly transport: Transport },
): Promise<OpenedStores> {
  const { natsServers = [], storeFolder, storeName, replicas } = options;
  const artifacts =
    storeFolder === undefined
      ? await createMemoryArtifacts()
      : await openFolderArtifacts(storeFolder);
  if (natsServers.length === 0) {
    return { stores: createMemoryStores(storeCodecs), artifacts, close: async () => {} };
  }
  const connection: NatsConnection = await connectNats({
    ...{ servers: natsServers, name, tls: transport.nats },
  });
  try {
    const stores = await openJetStreamStores(connection, storeCodecs, {
      ...(storeName === undefined ? {} : { name: storeName }),
      ...(replicas === undefined ? {} : { replicas }),
    });
    return { stores, artifacts, close: () => connection.close() };
  } catch (thrown) {
    await connection.close();
    throw thrown;
  }
}

async function openCallers(options: CoordinatorOptions, listen: string) {
  decodeAddressToListen(listen);
  const isOpen = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\]):\d+$/.test(listen);
  if (options.tokensFile === undefined && !isOpen) {
    const message =
      `--listen ${listen}: expected --tokens beyond loopback, got none; name a file, by which ` +
      "clients are told apart (--tls encrypts, and tells nodes and coordinators)";
    throw new RetakeError(Code.InvalidArgument, "bad-option", message);
  }
  const tokens = options.tokensFile === undefined ? [] : await readTokens(options.tokensFile);
  const tenantOf = tenantsBy(tokens, { isOpen });
  return { tenantOf, assertOperator: operatorsBy(tenantOf, { isOpen }) };
}

function decodeAddressToListen(listen: string): void {
  if (!listen.endsWith(":0")) decodeAddress(listen, { subject: "address to listen at" });
}

async function openMetrics(
  about: Parameters<typeof serveMetrics>[0],
  { metricsListen }: CoordinatorOptions,
) {
  if (metricsListen === undefined) return undefined;
  decodeAddressToListen(metricsListen);
  return serveMetrics(about, metricsListen);
}

const refusalTold =
  (metrics: Metrics, logger: Logger) =>
  (refusal: Refusal): void => {
    metrics.onRefused(refusal);
    logCallError(logger, refusal.error);
  };

const callFailed =
  (method: string, { metrics, logger }: { metrics: Metrics; logger: Logger }) =>
  (error: RetakeError): void => {
    metrics.onCallFailed(method, error);
    logCallError(logger, error);
  };

function logCallError(logger: Logger, error: RetakeError): void {
  const { code, reason, message } = error;
  if (reason === "bug") logger.error({ code, reason, err: error }, message);
  else logger.info({ code, reason }, message);
}

function ownVersion(): string {
  const path = new URL("../package.json", import.meta.url);
  const { version = "0" }: { version?: string } = JSON.parse(readFileSync(path, "utf8"));
  return version;
}
