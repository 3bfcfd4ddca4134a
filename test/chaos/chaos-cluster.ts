import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePorts } from "@retake/coordinator/free-ports";
import type { FaultPoint } from "@retake/errors";
import { tinyModel } from "../e2e/retake-process.js";
import { ClusterClient } from "./cluster-client.js";
import { HeldProcess, type Holding } from "./held-process.js";
import { type NatsServers, startNatsServers } from "./nats-servers.js";
import { createLink, createNatsProxy, type Link, type NatsProxy } from "./proxies.js";

export interface ChaosClusterOptions {
  readonly folder: string;
  readonly cacheDir: string;
  readonly nodeCount: number;
  readonly leaseMs: number;
  /** Of the coordinator that leads. */
  readonly leaderLeaseMs?: number;
  readonly natsCount: 1 | 3;
  readonly coordinatorCount?: number;
  readonly faultPoints: readonly FaultPoint[];
  readonly onHeld: (holding: Holding) => void;
  /** What runs the nodes; without, they have names of their own. */
  readonly pool?: NodeControl | undefined;
  /** Tenants and their tokens; "cluster" must be one. Without, nobody needs a token. */
  readonly tokens?: Readonly<Record<string, string>>;
}

/** Whoever starts and ends the nodes of a cluster. */
export interface NodeControl {
  /** More arguments of the coordinator. */
  readonly coordinatorArgs: readonly string[];
  readonly nameOf: (index: number) => string;
  /** Whether a node that has ended by itself is started again. */
  readonly comesBack: (nodeId: string, exitCode: number | null) => boolean;
  /** Told of every line of a node's log. */
  readonly onLine: (nodeId: string, line: Readonly<Record<string, unknown>>) => void;
}

/** A node, and the links over which it is reached and reaches its coordinator. */
export interface ChaosNode {
  readonly process: HeldProcess;
  readonly up: Link;
  readonly down: Link;
}

/** A cluster of real processes whose every link can be cut. */
export interface ChaosCluster {
  readonly nodes: readonly ChaosNode[];
  readonly coordinators: readonly HeldProcess[];
  readonly nats: NatsServers;
  /** None where there are three servers: their clients learn their addresses from each other. */
  readonly natsProxy: NatsProxy | undefined;
  /** Of the tenant "cluster", where there are tenants. */
  readonly client: ClusterClient;
  readonly port: number;
  /** Leads nodes and client to that coordinator, as a service that asks who is ready would. */
  readonly follow: (coordinator: number) => void;
  /** Resolves when a coordinator next logs a sentence that matches. */
  readonly said: (pattern: RegExp) => Promise<void>;
  readonly stop: () => Promise<void>;
}

const coordinatorMain = fileURLToPath(import.meta.resolve("@retake/coordinator/main"));
const nodeMain = fileURLToPath(import.meta.resolve("@retake/gpu-node/main"));
const leaderLeaseMsDefault = 1_000;

/** Starts all, and resolves when all nodes have joined. */
export async function startChaosCluster(options: ChaosClusterOptions): Promise<ChaosCluster> {
  const { folder, nodeCount, natsCount, coordinatorCount = 1 } = options;
  await mkdir(folder, { recursive: true });
  const tokenFiles = await writeTokens(options);
  const nats = await startNatsServers(join(folder, "nats"), natsCount);
  const [natsPort] = nats.ports;
  const natsProxy =
    natsCount === 1 && natsPort !== undefined ? await createNatsProxy(natsPort) : undefined;
  const servers = natsProxy === undefined ? nats.urls : [natsProxy.url];
  const listeners = new Set<(reason: string) => void>();
  const onLine = ({ msg }: Readonly<Record<string, unknown>>): void => {
    for (const listener of listeners) listener(String(msg));
  };
  const said = (pattern: RegExp): Promise<void> =>
    new Promise((resolve) => {
      const listener = (reason: string): void => {
        if (!pattern.test(reason)) return;
        listeners.delete(listener);
        resolve();
      };
      listeners.add(listener);
    });
  const ports = await freePorts(coordinatorCount + nodeCount);
  const coordinators: HeldProcess[] = [];
  for (const [index, port] of ports.slice(0, coordinatorCount).entries()) {
    const leads = said(/took over with epoch/);
    const args = [...coordinatorArgs(options, { port, servers }), ...tokenFiles.ofCoordinator];
    coordinators.push(startProcess(options, { name: `coordinator-${index + 1}`, onLine, args }));
    // The first one leads; the others stand by.
    if (index === 0) await leads;
  }
  const [coordinatorPort = 0] = ports;
  const door = await createLink(coordinatorPort);
  const client = new ClusterClient(door.port, options.tokens?.["cluster"]);
  const starting = ports.slice(coordinatorCount).map((port, index) =>
    startNode(options, {
      ...{ port, coordinatorPort, nodeId: options.pool?.nameOf(index) ?? `node-${index + 1}` },
      moreArgs: tokenFiles.ofNode,
    }),
  );
  const nodes = await Promise.all(starting);
  const stop = async (): Promise<void> => {
    client.close();
    await Promise.all(nodes.map(({ process }) => process.stop("SIGKILL")));
    await Promise.all(coordinators.map((one) => one.stop("SIGTERM")));
    await Promise.all(nodes.flatMap(({ up, down }) => [up.close(), down.close()]));
    await door.close();
    await natsProxy?.close();
    await nats.stop();
  };
  const follow = (coordinator: number): void => {
    for (const link of [door, ...nodes.map(({ up }) => up)]) link.follow(ports[coordinator] ?? 0);
  };
  const { port } = door;
  const cluster = { nodes, coordinators, nats, natsProxy, client, port, follow, said, stop };
  await client.untilWhole(nodeCount);
  return cluster;
}

function coordinatorArgs(
  options: ChaosClusterOptions,
  { port, servers }: { readonly port: number; readonly servers: readonly string[] },
): readonly string[] {
  const { folder, leaseMs, natsCount, leaderLeaseMs = leaderLeaseMsDefault } = options;
  return [
    ...[coordinatorMain, "--listen", `127.0.0.1:${port}`, "--lease-ms", `${leaseMs}`],
    ...servers.flatMap((url) => ["--nats", url]),
    ...["--replicas", `${natsCount}`, "--leader-lease-ms", `${leaderLeaseMs}`],
    ...["--store-folder", join(folder, "artifacts"), ...(options.pool?.coordinatorArgs ?? [])],
  ];
}

/** The coordinator knows digests only; a node has a token of its own. */
async function writeTokens({ folder, tokens }: ChaosClusterOptions) {
  if (tokens === undefined) return { ofCoordinator: [], ofNode: [] };
  const [tokensFile, nodeFile] = [join(folder, "tokens"), join(folder, "node-token")];
  const lines = Object.entries(tokens).map(
    ([tenant, token]) => `${tenant} ${createHash("sha256").update(token).digest("hex")}`,
  );
  await writeFile(tokensFile, `${lines.join("\n")}\n`);
  await writeFile(nodeFile, tokens["cluster"] ?? "");
  return { ofCoordinator: ["--tokens", tokensFile], ofNode: ["--token-file", nodeFile] };
}

async function startNode(
  options: ChaosClusterOptions,
  about: {
    readonly nodeId: string;
    readonly port: number;
    readonly coordinatorPort: number;
    readonly moreArgs: readonly string[];
  },
): Promise<ChaosNode> {
  const { nodeId, port, coordinatorPort, moreArgs } = about;
  const [up, down] = [await createLink(coordinatorPort), await createLink(port)];
  const process = startProcess(options, {
    ...{ name: nodeId, onLine: (line) => options.pool?.onLine(nodeId, line) },
    comesBack: (exitCode) => options.pool?.comesBack(nodeId, exitCode) ?? true,
    args: [
      ...[nodeMain, "--coordinator", `127.0.0.1:${up.port}`, "--node-id", nodeId],
      ...["--model", tinyModel, "--threads", "1", "--cache", options.cacheDir],
      ...["--listen", `127.0.0.1:${port}`, "--advertise", `127.0.0.1:${down.port}`],
      ...moreArgs,
    ],
  });
  return { process, up, down };
}

function startProcess(
  { folder, faultPoints, onHeld }: ChaosClusterOptions,
  about: Pick<
    ConstructorParameters<typeof HeldProcess>[0],
    "name" | "args" | "onLine" | "comesBack"
  >,
): HeldProcess {
  const logPath = join(folder, `${about.name}.log`);
  return new HeldProcess({ ...about, logPath, faultPoints, onHeld });
}
