import { errors, type Msg, type MsgCallback, type Subscription } from "@nats-io/transport-node";
import type { ShardConnection } from "../shard-connection.js";

let asks = 0;

/** What a bus does with an answer before it arrives; by default, nothing. */
export type Tampering = (answer: Uint8Array) => Uint8Array;

/** Requests and answers within a process, as NATS carries them; nothing is lost or late. */
export class MemoryBus {
  readonly #subscribers = new Map<string, MsgCallback<Msg>>();
  readonly #asked = new Map<string, (answer: Uint8Array) => void>();

  /** @param tamper  changes the answers that this connection receives */
  connect(tamper: Tampering = (answer) => answer): ShardConnection {
    return {
      flush: () => Promise.resolve(),
      isClosed: () => false,
      publish: (reply, answer) => {
        this.#asked.get(reply)?.(Uint8Array.from(answer as Uint8Array));
        this.#asked.delete(reply);
      },
      subscribe: (subject, { callback } = {}) => {
        if (callback !== undefined) this.#subscribers.set(subject, callback);
        const unsubscribe = (): void => void this.#subscribers.delete(subject);
        return { unsubscribe } as Subscription;
      },
      request: async (subject, payload) => {
        const answer = await this.#deliver(subject, payload as Uint8Array);
        return { data: tamper(answer) } as Msg;
      },
    };
  }

  /** Carries a request to whoever is subscribed, and gives the first answer. */
  #deliver(subject: string, data: Uint8Array): Promise<Uint8Array> {
    const callback = this.#subscribers.get(subject);
    if (callback === undefined) {
      const cause = new errors.NoRespondersError(subject);
      return Promise.reject(new errors.RequestError("no responders", { cause }));
    }
    const reply = `inbox.${asks++}`;
    return new Promise((resolve) => {
      this.#asked.set(reply, resolve);
      queueMicrotask(() => {
        void callback(null, { data: Uint8Array.from(data), reply } as Msg);
      });
    });
  }
}
