import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { Code, RetakeError } from "@retake/errors";
import { callUnary } from "@retake/wire";
import { openTls, type Role } from "@retake/wire/tls";
import type { Environment } from "../environment.js";
import { withCluster } from "./cluster-client.js";
import { forgetCluster, runningCluster, writeCluster } from "./cluster-folder.js";
import { type LocalNats, type LocalNatsTls, startLocalNats } from "./local-nats.js";
import { SupervisedProcess } from "./supervised-process.js";

export interface LocalClusterOptions {
  readonly nodeCount: number;
  /** With three, one may be lost. */
  readonly natsCount: 1 | 3;
  /** Of a pass, of each node. */
  readonly threads: number;
  /** Of each node, in gigabytes. */
  readonly memory: string;
  readonly model: string;
  /** State and logs. */
  readonly folder: string;
  /** For compiled programs and converted weights, shared by the nodes. */
  readonly cacheDir: string;
  readonly listen: string;
  readonly metrics: string | undefined;
  /** Of a folder of certificates for each role; undefined: without TLS. */
  readonly tlsFolder: string | undefined;
  readonly leaseMs: number;
  readonly isJson: boolean;
}

const natsScript = fileURLToPath(new URL("../../../../scripts/nats-server.mjs", import.meta.url));
const coordinatorMain = fileURLToPath(import.meta.resolve("@retake/coordinator/main"));
const nodeMain = fileURLToPath(import.meta.resolve("@retake/gpu-node/main"));
/** Opening a model of SD size takes up to a minute on a slow disk. */
const joinDurationMsMax = 300_000;
const pollEveryMs = 100;

/** Runs a cluster on this machine until the signal aborts; then nothing of it runs any more. */
export async function runLocalCluster(
  environment: Environment,
  options: LocalClusterOptions,
): Promise<void> {
  const { folder } = options;
  const running = await runningCluster(folder);
  if (running !== undefined) throw alreadyRunning(folder, running.pid);
  await mkdir(folder, { recursive: true });
  const started: SupervisedProcess[] = [];
  const onExit = (): void => {
    for (const one of started) one.kill();
  };
  process.once("exit", onExit);
  let nats: LocalNats | undefined;
  let secured: { readonly tls: LocalNatsTls; readonly close: () => void } | undefined;
  try {
    secured = await securedNats(environment, options, () => nats?.reload());
    nats = await startLocalNats({
      ...{ programPath: await natsProgram(), folder: join(folder, "nats"), tls: secured?.tls },
      serverCount: options.natsCount,
      onRestart: (reason) => environment.writeErr(`${reason}\n`),
    });
    const coordinator = await startCoordinator(environment, { ...options, started, nats });
    await writeCluster(folder, { coordinator, pid: process.pid });
    await startNodes(environment, { ...options, started, coordinator });
    await allJoined(environment, coordinator, options);
    tell(environment, { ...options, started, coordinator, nats });
    if (!environment.signal.aborted) await once(environment.signal, "abort");
  } catch (thrown) {
    if (!environment.signal.aborted) throw thrown;
  } finally {
    await forgetCluster(folder);
    const [coordinator, ...nodes] = started;
    await Promise.all(nodes.map((node) => node.stop("SIGINT")));
    await coordinator?.stop("SIGTERM");
    await nats?.stop();
    secured?.close();
    process.off("exit", onExit);
  }
}

/** The certificates of NATS, which is told when they change; undefined without TLS. */
async function securedNats(
  { nowMs, writeErr }: Environment,
  { tlsFolder }: LocalClusterOptions,
  onReload: () => void,
): Promise<{ readonly tls: LocalNatsTls; readonly close: () => void } | undefined> {
  if (tlsFolder === undefined) return undefined;
  const folder = join(tlsFolder, "nats");
  const onError = ({ message }: RetakeError): void => writeErr(`${message}\n`);
  const own = await openTls(folder, { as: "nats", nowMs, onReload, onError });
  const coordinator = join(tlsFolder, "coordinator");
  const probe = await openTls(coordinator, { as: "coordinator", nowMs });
  probe.close();
  if (probe.nats === undefined) return undefined;
  return { tls: { folder, probe: probe.nats }, close: () => own.close() };
}

async function natsProgram(): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [natsScript]);
    return stdout.trim();
  } catch (thrown) {
    const said = Object(thrown).stderr;
    const text = typeof said === "string" && said !== "" ? said.trim() : String(thrown);
    throw new RetakeError(Code.FailedPrecondition, "nats-server-failed", text, { cause: thrown });
  }
}

type Starting = LocalClusterOptions & { readonly started: SupervisedProcess[] };

/** @returns  its address, which it keeps when it is started again */
async function startCoordinator(
  environment: Environment,
  options: Starting & { readonly nats: LocalNats },
): Promise<string> {
  const { started, nats, folder, listen, metrics, leaseMs } = options;
  let address = listen;
  const { ready, onReady } = readiness();
  const coordinator = supervised(environment, {
    ...{ name: "coordinator", folder, mayLeave: false },
    args: () => [
      ...[coordinatorMain, "--listen", address, "--lease-ms", `${leaseMs}`],
      ...nats.urls.flatMap((url) => ["--nats", url]),
      ...["--replicas", `${nats.urls.length}`],
      ...["--store-folder", join(folder, "artifacts"), "--leader-lease-ms", "2000"],
      ...(metrics === undefined ? [] : ["--metrics", metrics]),
      ...tlsArgs(options, "coordinator"),
    ],
    onListening: (at) => {
      address = at;
      onReady();
    },
  });
  started.push(coordinator);
  await coordinator.start(ready);
  return address;
}

async function startNodes(
  environment: Environment,
  options: Starting & { readonly coordinator: string },
): Promise<void> {
  const { started, nodeCount, coordinator, model, threads, memory, cacheDir, folder } = options;
  const starting = Array.from({ length: nodeCount }, async (_, index) => {
    const nodeId = `node-${index + 1}`;
    let listen = "127.0.0.1:0";
    const { ready, onReady } = readiness();
    const node = supervised(environment, {
      // What drains, as a pool that shrinks does, shall not come back.
      ...{ name: nodeId, folder, mayLeave: true },
      args: () => [
        ...[nodeMain, "--coordinator", coordinator, "--node-id", nodeId, "--model", model],
        ...["--threads", `${threads}`, "--memory", memory],
        ...["--cache", cacheDir, "--listen", listen],
        ...tlsArgs(options, "node"),
      ],
      // At its own address again, a node has its place back before its old lease has run out.
      onListening: (at) => {
        listen = at;
        onReady();
      },
    });
    started.push(node);
    await node.start(ready);
  });
  const ended = await Promise.allSettled(starting);
  for (const end of ended) if (end.status === "rejected") throw end.reason;
}

const tlsArgs = ({ tlsFolder }: LocalClusterOptions, role: Role): readonly string[] =>
  tlsFolder === undefined ? [] : ["--tls", join(tlsFolder, role)];

function readiness(): { readonly ready: Promise<void>; readonly onReady: () => void } {
  let onReady = (): void => {};
  const ready = new Promise<void>((resolve) => {
    onReady = resolve;
  });
  return { ready, onReady: () => onReady() };
}

function supervised(
  { writeErr, nowMs }: Environment,
  about: {
    readonly name: string;
    readonly folder: string;
    readonly mayLeave: boolean;
    readonly args: () => readonly string[];
    readonly onListening: (address: string) => void;
  },
): SupervisedProcess {
  const { name, folder, args, onListening, mayLeave } = about;
  return new SupervisedProcess({
    ...{ name, args, nowMs, mayLeave, logPath: join(folder, `${name}.log`) },
    onLine: ({ msg, address }) => {
      if (msg === "listening" && typeof address === "string") onListening(address);
    },
    onEnd: (reason) => writeErr(`${reason}\n`),
  });
}

async function allJoined(
  environment: Environment,
  coordinator: string,
  { nodeCount, tlsFolder }: LocalClusterOptions,
): Promise<void> {
  const { nowMs, signal } = environment;
  const endMs = nowMs() + joinDurationMsMax;
  const client = tlsFolder === undefined ? undefined : join(tlsFolder, "client");
  const to = { coordinator, folder: undefined, tokenFile: undefined, tlsFolder: client };
  await withCluster(environment, to, async ({ membership, call, patiently }) => {
    for (;;) {
      const { nodes } = await patiently(() =>
        callUnary(membership.listNodes.bind(membership), {}, call("waiting for nodes")),
      );
      if (nodes.length >= nodeCount) return;
      if (nowMs() > endMs) {
        const message = `nodes: expected ${nodeCount} to join, got ${nodes.length}; see their logs`;
        throw new RetakeError(Code.DeadlineExceeded, "deadline-passed", message);
      }
      await delay(pollEveryMs, undefined, { signal });
    }
  });
}

function tell(
  { writeOut }: Environment,
  about: Starting & { readonly coordinator: string; readonly nats: LocalNats },
): void {
  const { coordinator, nats, started, folder, isJson, tlsFolder } = about;
  const [first, ...nodes] = started;
  if (isJson) {
    const told = {
      ...{ coordinator, coordinatorPid: first?.pid ?? 0, nats: nats.urls[0], folder },
      natsServers: nats.urls,
      nodes: nodes.map(({ name: nodeId, pid }) => ({ nodeId, pid })),
    };
    writeOut(`${JSON.stringify(told)}\n`);
    return;
  }
  const names = nodes.map(({ name, pid }) => `${name} (pid ${pid})`).join(", ");
  const lines = [
    `coordinator  ${coordinator}`,
    `nats         ${nats.urls.join(", ")}`,
    `nodes        ${names}`,
    `logs         ${folder}`,
    "",
    'retake submit CLIP --source "what it shows" --prompt "what it should show" --wait',
    ...(tlsFolder === undefined ? [] : [`Give commands --tls ${join(tlsFolder, "client")} too.`]),
    "Ctrl-C ends all.",
  ];
  writeOut(`${lines.join("\n")}\n`);
}

function alreadyRunning(folder: string, pid: number): RetakeError {
  const message = `${folder}: expected no cluster here, got one that runs (pid ${pid})`;
  const advice = `${message}; use it, or give another --dir`;
  return new RetakeError(Code.FailedPrecondition, "already-running", advice);
}
