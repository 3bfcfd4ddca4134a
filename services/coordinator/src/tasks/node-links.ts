import { InterceptingCall, type Interceptor } from "@grpc/grpc-js";
import { NodeServiceClient } from "@retake/wire/node";
import type { Transport } from "@retake/wire/tls";

/** Connections to nodes, one for each address. */
export class NodeLinks {
  readonly #clients = new Map<string, NodeServiceClient>();
  readonly #transport: Transport;
  readonly #tokens: Map<string, string>;

  /** @param tokens  what nodes want to be shown, by address; of those that are gone, removed */
  constructor(transport: Transport, tokens: Map<string, string>) {
    this.#transport = transport;
    this.#tokens = tokens;
  }

  to(address: string): NodeServiceClient {
    const known = this.#clients.get(address);
    if (known !== undefined) return known;
    const [to, credentials, options] = this.#transport.to(address, "node");
    const interceptors = [showing(() => this.#tokens.get(address))];
    const client = new NodeServiceClient(to, credentials, { ...options, interceptors });
    this.#clients.set(address, client);
    return client;
  }

  /** Closes those to nodes that are gone. */
  keepOnly(addresses: ReadonlySet<string>): void {
    for (const address of this.#tokens.keys()) {
      if (!addresses.has(address)) this.#tokens.delete(address);
    }
    for (const [address, client] of this.#clients) {
      if (addresses.has(address)) continue;
      client.close();
      this.#clients.delete(address);
    }
  }

  close(): void {
    this.keepOnly(new Set());
  }
}

/** Shows what is known at the time of a call: a node may come back with another token. */
function showing(token: () => string | undefined): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, listener, next) => {
        const shown = token();
        if (shown !== undefined) metadata.set("authorization", shown);
        next(metadata, listener);
      },
    });
}
