import { connect, type NatsConnection } from "@nats-io/transport-node";
import { Code, RetakeError } from "@retake/errors";

export interface NatsOptions {
  readonly servers: readonly string[];
  readonly connectTimeoutMs?: number;
  /** Shown by the server in its list of connections. */
  readonly name?: string;
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
  const { servers, connectTimeoutMs = connectTimeoutMsDefault, name = "retake" } = options;
  const connection = await connect({
    servers: [...servers],
    name,
    timeout: connectTimeoutMs,
    maxReconnectAttempts: -1,
    reconnectTimeWait: reconnectPauseMs,
  }).catch((cause: unknown) => {
    throw unreachable(servers, cause);
  });
  const problem = serverProblem(connection.info?.version ?? "");
  if (problem === undefined) return connection;
  await connection.close();
  throw new RetakeError(Code.FailedPrecondition, "nats-too-old", problem);
}

function unreachable(servers: readonly string[], cause: unknown): RetakeError {
  const said = cause instanceof Error ? cause.message : String(cause);
  const message =
    `NATS at ${servers.join(", ")}: expected a server that answers, got ${said}; ` +
    "start nats-server with JetStream there, or give another address";
  return new RetakeError(Code.Unavailable, "nats-unreachable", message, { cause });
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
