import { NodeServiceClient } from "@retake/wire/node";
import type { Transport } from "@retake/wire/tls";

/** Connections to nodes, one for each address. */
export class NodeLinks {
  readonly #clients = new Map<string, NodeServiceClient>();
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  to(address: string): NodeServiceClient {
    const known = this.#clients.get(address);
    if (known !== undefined) return known;
    const client = new NodeServiceClient(...this.#transport.to(address, "node"));
    this.#clients.set(address, client);
    return client;
  }

  /** Closes those to nodes that are gone. */
  keepOnly(addresses: ReadonlySet<string>): void {
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
