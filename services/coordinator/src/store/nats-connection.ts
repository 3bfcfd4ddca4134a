import { type ConnectionOptions, connect, type NatsConnection } from "@nats-io/transport-node";
import { Code, RetakeError } from "@retake/errors";
import { inboxPrefix } from "@retake/wire";
import { type NatsTls, natsAdvice } from "@retake/wire/tls";

export interface NatsOptions {
  readonly servers: readonly string[];
  readonly connectTimeoutMs?: number;
  /** Shown by the server in its list of connections. */
  readonly name?: string;
  /** Undefined: without TLS. */
  readonly tls?: NatsTls | undefined;
}

const connectTimeoutMsDefault = 5000;
const reconnectPauseMs = 250;
const oldestServer = [2, 10] as const;

/**
 * Connects to the cluster's NATS and checks that it is one that Retake can use. After that the
 * connection comes back by itself, however long a server is away: the client's default gives up
 * after 20 s.
 *
 * @throws RetakeError nats-unreachable or nats-too-old
 */
export async function connectNats(options: NatsOptions): Promise<NatsConnection> {
  const { servers, connectTimeoutMs = connectTimeoutMsDefault, name = "retake", tls } = options;
  const connection = await connect({
    servers: [...servers],
    name,
    timeout: connectTimeoutMs,
    maxReconnectAttempts: -1,
    reconnectTimeWait: reconnectPauseMs,
    ...natsSecurity(tls),
  }).catch((cause: unknown) => {
    throw unreachable(options, cause);
  });
  const problem = serverProblem(connection.info?.version ?? "");
  if (problem === undefined) return connection;
  await connection.close();
  throw new RetakeError(Code.FailedPrecondition, "nats-too-old", problem);
}

/** What a coordinator's connection needs besides, where NATS has TLS. */
export function natsSecurity(tls: NatsTls | undefined): Partial<ConnectionOptions> {
  return tls === undefined ? {} : { tls, inboxPrefix: inboxPrefix("coordinator") };
}

function unreachable({ servers, tls }: NatsOptions, cause: unknown): RetakeError {
  const said = cause instanceof Error ? cause.message : String(cause);
  const byDefault = "start nats-server with JetStream there, or give another address";
  const advice = natsAdvice(said, tls) ?? byDefault;
  const message = `NATS at ${servers.join(", ")}: expected a server that answers, got ${said}`;
  return new RetakeError(Code.Unavailable, "nats-unreachable", `${message}; ${advice}`, { cause });
}

/** What is wrong with a server of this version; undefined if nothing is. */
export function serverProblem(version: string): string | undefined {
  const [, major, minor] = /^v?(\d+)\.(\d+)\./.exec(version) ?? [];
  const [oldestMajor, oldestMinor] = oldestServer;
  const isNew =
    Number(major) > oldestMajor || (Number(major) === oldestMajor && Number(minor) >= oldestMinor);
  if (isNew) return undefined;
  const oldest = `${oldestMajor}.${oldestMinor}`;
  return (
    `nats-server: expected version ${oldest} or newer, got ${JSON.stringify(version)}; ` +
    "install a newer one"
  );
}
