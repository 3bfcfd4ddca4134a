import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import type { NatsTls } from "@retake/wire/tls";
import { atExit } from "../media/at-exit.js";
import { freePorts } from "./free-ports.js";
import { natsSecurity } from "./nats-connection.js";
import { natsAuthorization, natsPermissions } from "./nats-permissions.js";

export interface NatsServer {
  /** nats://127.0.0.1:PORT */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Settles when the process has ended, however. */
  readonly ended: Promise<void>;
  /** Ends it and waits: SIGTERM first, SIGKILL if that takes too long. */
  stop(): Promise<void>;
  /** kill -9, as a crash would. */
  kill(): Promise<void>;
  /** Takes up changed certificates; connections stay. */
  reload(): void;
  /** Starts one that has ended again, at its port, with what it had stored. */
  restart(): Promise<NatsServer>;
}

export interface NatsServerOptions {
  readonly programPath: string;
  /** For the streams, the configuration, the log and the ports file. */
  readonly folder: string;
  /** 0: one that is free. */
  readonly port?: number;
  /** Flushes every write to the disk: what was acknowledged survives a power cut. */
  readonly syncAlways?: boolean;
  readonly hasJetStream?: boolean;
  readonly cluster?: ClusterPlace;
  readonly tls?: NatsServerTls | undefined;
}

/** Lets in who has a certificate of the CA, to what its role may do. */
export interface NatsServerTls {
  /** ca.crt, tls.crt and tls.key of the server. */
  readonly folder: string;
  /** A coordinator's: to see whether the server answers. */
  readonly probe: NatsTls;
  /** Of the stores. Default "retake". */
  readonly storeName?: string;
}

export interface ClusterPlace {
  readonly serverName: string;
  readonly port: number;
  /** Cluster ports of all servers. */
  readonly routePorts: readonly number[];
}

const readyDurationMs = 20_000;
const stopDurationMs = 5000;
const pollEveryMs = 20;
const loopback = "127.0.0.1";
const logTailChars = 600;
/**
 * The server makes a buffer of every large message, and collects them whenever its small heap has
 * doubled: with this, when it has grown fivefold, it takes half as much of a CPU for them.
 */
const collectorEnvironment = { GOGC: "400" };

/**
 * Starts nats-server on loopback and waits until JetStream answers. It ends with this process,
 * unless that is killed by SIGKILL.
 *
 * @throws RetakeError nats-server-failed
 */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const { programPath, folder, hasJetStream = true } = options;
  await mkdir(folder, { recursive: true });
  const configPath = join(folder, "nats-server.conf");
  const logPath = join(folder, "nats-server.log");
  await rm(logPath, { force: true });
  await writeFile(configPath, serverConfig({ ...options, logPath }));
  const env = { ...collectorEnvironment, ...process.env };
  const process_ = spawn(programPath, ["-c", configPath], { stdio: "ignore", env });
  const running = watchProcess(process_);
  try {
    const port = await reportedPort(join(folder, `nats-server_${process_.pid}.ports`), running);
    await untilReady(
      {
        ...{ port, tls: options.tls?.probe },
        hasJetStream: hasJetStream && options.cluster === undefined,
      },
      running,
    );
    const restart = (): Promise<NatsServer> => startNatsServer({ ...options, port });
    const url = `nats://${loopback}:${port}`;
    const reload = (): void => void process_.kill("SIGHUP");
    return { url, port, pid: process_.pid ?? 0, restart, reload, ...running.handle };
  } catch (thrown) {
    await running.handle.kill();
    const log = await readFile(logPath, "utf8").catch(() => "");
    const said = `${fromUnknown(thrown, programPath).message} ${log.slice(-logTailChars)}`.trim();
    const message = `nats-server: expected it to start, got ${said}; look at ${logPath}`;
    throw new RetakeError(Code.Unavailable, "nats-server-failed", message, { cause: thrown });
  }
}

/** Servers of one JetStream cluster, started together: each waits for the others to elect. */
export async function startNatsCluster(options: {
  readonly programPath: string;
  readonly folder: string;
  readonly serverCount: number;
  readonly tls?: NatsServerTls | undefined;
}): Promise<readonly NatsServer[]> {
  const { programPath, folder, serverCount, tls } = options;
  const routePorts = await freePorts(serverCount);
  const names = routePorts.map((_, index) => `n${index + 1}`);
  const starting = names.map((serverName, index) =>
    startNatsServer({
      ...{ programPath, tls, folder: join(folder, serverName) },
      cluster: { serverName, port: routePorts[index] ?? 0, routePorts },
    }),
  );
  const started = await Promise.allSettled(starting);
  const servers = started.flatMap((result) =>
    result.status === "fulfilled" ? [result.value] : [],
  );
  try {
    const failed = started.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    for (const { port } of servers) {
      const ready = { port, hasJetStream: true, tls: tls?.probe };
      await untilReady(ready, { failure: () => undefined });
    }
    return servers;
  } catch (thrown) {
    await Promise.all(servers.map((server) => server.kill()));
    throw thrown;
  }
}

function serverConfig(options: NatsServerOptions & { readonly logPath: string }): string {
  const { folder, logPath, port = 0, syncAlways = false, hasJetStream = true, cluster } = options;
  const quoted = (text: string) => JSON.stringify(text);
  const lines = [
    `listen: "${loopback}:${port === 0 ? -1 : port}"`,
    `ports_file_dir: ${quoted(folder)}`,
    `log_file: ${quoted(logPath)}`,
    "logfile_size_limit: 16777216",
  ];
  if (hasJetStream) {
    const sync = syncAlways ? "sync_interval: always" : "";
    lines.push(`jetstream { store_dir: ${quoted(join(folder, "jetstream"))}\n ${sync} }`);
  }
  if (options.tls !== undefined) lines.push(...tlsConfig(options.tls));
  if (cluster !== undefined) {
    const routes = cluster.routePorts.map((routePort) => `"nats://${loopback}:${routePort}"`);
    lines.push(
      `server_name: ${quoted(cluster.serverName)}`,
      `cluster { name: retake\n listen: "${loopback}:${cluster.port}"\n routes: [${routes}] }`,
    );
  }
  return `${lines.join("\n")}\n`;
}

function tlsConfig({ folder, storeName = "retake" }: NatsServerTls): readonly string[] {
  const path = (name: string): string => JSON.stringify(join(folder, name));
  const files = `cert_file: ${path("tls.crt")}\n key_file: ${path("tls.key")}`;
  return [
    `tls { ${files}\n ca_file: ${path("ca.crt")}\n verify_and_map: true }`,
    natsAuthorization(natsPermissions(storeName)),
  ];
}

interface Running {
  /** Why there is no use in waiting any longer; undefined while it runs. */
  readonly failure: () => string | undefined;
}

function watchProcess(child: ChildProcess) {
  let failure: string | undefined;
  const release = atExit(() => child.kill("SIGKILL"));
  const ended = new Promise<void>((resolve) => {
    const end = (reason: string) => {
      failure = reason;
      release();
      resolve();
    };
    child.on("error", (error) => end(error.message));
    child.on("exit", (code, signal) => end(`it ended with ${signal ?? code}`));
  });
  const kill = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  const stop = async () => {
    child.kill("SIGTERM");
    const patience = new AbortController();
    const tooLate = delay(stopDurationMs, undefined, { signal: patience.signal }).then(kill);
    await Promise.race([ended, tooLate.catch(() => undefined)]);
    patience.abort();
  };
  return { failure: () => failure, handle: { ended, stop, kill } };
}

async function reportedPort(portsPath: string, running: Running): Promise<number> {
  return polled(running, async () => {
    const ports: unknown = JSON.parse(await readFile(portsPath, "utf8"));
    const [url] = Object(ports).nats;
    return Number(new URL(url).port);
  });
}

async function untilReady(
  asked: {
    readonly port: number;
    readonly hasJetStream: boolean;
    readonly tls: NatsTls | undefined;
  },
  running: Running,
): Promise<void> {
  await polled(running, async () => {
    const { port, hasJetStream, tls } = asked;
    const servers = [`${loopback}:${port}`];
    const connection = await connect({
      servers,
      reconnect: false,
      timeout: 1000,
      ...natsSecurity(tls),
    });
    try {
      if (hasJetStream) {
        const jsm = await jetstreamManager(connection, { timeout: 1000, checkAPI: false });
        await jsm.getAccountInfo();
      }
    } finally {
      await connection.close();
    }
  });
}

/** Asks again and again, for a bounded time, until there is an answer. */
async function polled<Result>(running: Running, ask: () => Promise<Result>): Promise<Result> {
  const endMs = performance.now() + readyDurationMs;
  for (;;) {
    try {
      return await ask();
    } catch (thrown) {
      const failure = running.failure();
      if (failure !== undefined) throw new Error(failure, { cause: thrown });
      if (performance.now() > endMs) throw thrown;
    }
    await delay(pollEveryMs);
  }
}
