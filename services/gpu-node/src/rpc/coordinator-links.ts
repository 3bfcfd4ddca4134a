import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { Code, fromUnknown } from "@retake/errors";
import type { Chunk } from "@retake/wire/artifact";
import type {
  HeartbeatRequest,
  HeartbeatResponse,
  JoinResponse,
  NodeInfo,
  NodeRates,
} from "@retake/wire/membership";
import {
  type CoordinatorLink,
  type CoordinatorLinkOptions,
  connectCoordinator,
} from "./coordinator-link.js";

/** Of all names together. */
const addressesMax = 64;

export interface CoordinatorLinksOptions extends CoordinatorLinkOptions {
  /** The addresses of a host, in the order in which they are to be tried. Default the system's. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

/**
 * Knows several coordinators, of which one leads. Each question goes to one of them; where it does
 * not lead, or does not answer, the next question goes to the next one, and after the last the
 * names are looked up anew. Whoever keeps a lease asks again anyway.
 */
export class CoordinatorLinks implements CoordinatorLink {
  readonly #names: readonly string[];
  readonly #options: CoordinatorLinksOptions;
  readonly #links = new Map<string, CoordinatorLink>();
  /** Of this round, the one that is asked first. */
  #left: readonly string[] = [];
  #isClosed = false;

  /** @param names  host:port, each of one coordinator or of several */
  constructor(names: readonly string[], options: CoordinatorLinksOptions) {
    this.#names = names;
    this.#options = options;
  }

  async join(node: NodeInfo, rates: NodeRates): Promise<JoinResponse> {
    return this.#asked((link) => link.join(node, rates));
  }

  async heartbeat(request: HeartbeatRequest): Promise<HeartbeatResponse> {
    return this.#asked((link) => link.heartbeat(request));
  }

  async drain(nodeId: string): Promise<void> {
    return this.#asked((link) => link.drain(nodeId));
  }

  async *pull(artifactId: string, signal: AbortSignal): AsyncGenerator<Chunk | undefined> {
    const address = await this.#current();
    yield* this.#linkTo(address).pull(artifactId, signal);
  }

  close(): void {
    this.#isClosed = true;
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  async #asked<Answer>(ask: (link: CoordinatorLink) => Promise<Answer>): Promise<Answer> {
    const address = await this.#current();
    try {
      return await ask(this.#linkTo(address));
    } catch (thrown) {
      const { code } = fromUnknown(thrown, `coordinator ${address}`);
      const isElsewhere = code === Code.Unavailable || code === Code.DeadlineExceeded;
      if (isElsewhere && this.#left[0] === address) this.#left = this.#left.slice(1);
      throw thrown;
    }
  }

  async #current(): Promise<string> {
    const [first] = this.#left;
    if (first !== undefined) return first;
    const found = await Promise.all(this.#names.map((name) => this.#addressesOf(name)));
    const addresses = [...new Set(found.flat())].slice(0, addressesMax);
    // Another question may have begun the round meanwhile.
    if (this.#left.length === 0) this.#beginRound(addresses);
    const [next] = this.#left;
    if (next === undefined) throw new Error("a name stands for itself at least");
    return next;
  }

  #beginRound(addresses: readonly string[]): void {
    this.#left = addresses;
    for (const [address, link] of this.#links) {
      if (addresses.includes(address)) continue;
      link.close();
      this.#links.delete(address);
    }
  }

  /** A name that cannot be looked up stays one: the call to it says why it fails. */
  async #addressesOf(name: string): Promise<readonly string[]> {
    const at = name.lastIndexOf(":");
    const [host, port] = [name.slice(0, at), name.slice(at + 1)];
    const { resolve = resolveAll } = this.#options;
    const found = await resolve(host.replace(/^\[|\]$/g, "")).catch((): readonly string[] => []);
    const addresses = found.map((ip) => `${isIP(ip) === 6 ? `[${ip}]` : ip}:${port}`);
    return addresses.length === 0 ? [name] : addresses;
  }

  #linkTo(address: string): CoordinatorLink {
    const known = this.#links.get(address);
    if (known !== undefined) return known;
    const link = connectCoordinator(address, this.#options);
    if (this.#isClosed) link.close();
    else this.#links.set(address, link);
    return link;
  }
}

async function resolveAll(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true });
  return found.map(({ address }) => address);
}
