import { connect, type NatsConnection } from "@nats-io/transport-node";
import { Code, RetakeError } from "@retake/errors";
import { inboxPrefix } from "@retake/wire";
import { type NatsTls, natsAdvice } from "@retake/wire/tls";

const connectTimeoutMs = 5_000;
const reconnectDelayMs = 500;

/** The node's connection to its cluster's NATS, made when a tuning first needs it. */
export class NatsLink {
  readonly #name: string;
  readonly #tls: NatsTls | undefined;
  #servers: readonly string[] = [];
  #connection: Promise<NatsConnection> | undefined;
  readonly #onReconnect = new Set<() => void>();

  constructor(name: string, tls?: NatsTls) {
    this.#name = name;
    this.#tls = tls;
  }

  /** Where the coordinator says that NATS is. An open connection finds new servers by itself. */
  use(servers: readonly string[]): void {
    this.#servers = servers;
  }

  /**
   * @returns  undefined in a cluster without NATS
   * @throws RetakeError  `unreachable`
   */
  async connection(): Promise<NatsConnection | undefined> {
    if (this.#servers.length === 0) return undefined;
    this.#connection ??= this.#connect();
    return this.#connection;
  }

  /**
   * Tells whenever the connection is there again: what was asked before may never be answered.
   *
   * @returns  ends it
   */
  onReconnect(listener: () => void): () => void {
    this.#onReconnect.add(listener);
    return () => this.#onReconnect.delete(listener);
  }

  async close(): Promise<void> {
    await (await this.#connection)?.close();
  }

  async #connect(): Promise<NatsConnection> {
    try {
      const connection = await connect({
        ...{ servers: [...this.#servers], name: this.#name, timeout: connectTimeoutMs },
        // The default gives up for good after 20 seconds.
        ...{ maxReconnectAttempts: -1, reconnectTimeWait: reconnectDelayMs },
        // Else every request of the exchange takes a stack trace, in case that it fails.
        noAsyncTraces: true,
        ...(this.#tls && { tls: this.#tls, inboxPrefix: inboxPrefix("node") }),
      });
      void this.#watch(connection);
      return connection;
    } catch (thrown) {
      this.#connection = undefined;
      const text = thrown instanceof Error ? thrown.message : String(thrown);
      const advice = natsAdvice(text, this.#tls) ?? "it is tried again";
      const place = `NATS at ${this.#servers.join(", ")}`;
      const message = `${place}: expected a connection, got ${text}; ${advice}`;
      throw new RetakeError(Code.Unavailable, "unreachable", message, { cause: thrown });
    }
  }

  /** Until the connection is closed for good. */
  async #watch(connection: NatsConnection): Promise<void> {
    for await (const { type } of connection.status()) {
      if (type === "reconnect") for (const listener of this.#onReconnect) listener();
    }
  }
}
