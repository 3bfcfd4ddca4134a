import type { NatsConnection } from "@nats-io/transport-node";

/** What the exchange needs of a NATS connection. */
export type ShardConnection = Pick<
  NatsConnection,
  "flush" | "isClosed" | "publish" | "request" | "subscribe"
>;

/** What happened on the wire since the exchange was made. */
export interface ExchangeCounts {
  readonly framesServed: number;
  readonly bytesServed: number;
  readonly framesTaken: number;
  readonly bytesTaken: number;
  /** Answers "ask again", received. */
  readonly framesPending: number;
  /** Of another turn, piece, length, CRC or sum than was asked for. */
  readonly framesRefused: number;
  /** Requests that no honest member sends: not readable, or of shards that there are not. */
  readonly requestsRefused: number;
  /** Requests of a turn that is over. */
  readonly requestsStale: number;
  /** Requests of ours that were not answered in time. */
  readonly silences: number;
}

export type CountName = keyof ExchangeCounts;

/** Counts, to be read by others while they grow. */
export class ExchangeCounter {
  readonly counts: Record<CountName, number> = {
    ...{ framesServed: 0, bytesServed: 0, framesTaken: 0, bytesTaken: 0, framesPending: 0 },
    ...{ framesRefused: 0, requestsRefused: 0, requestsStale: 0, silences: 0 },
  };

  add(name: CountName, by = 1): void {
    this.counts[name] += by;
  }
}
