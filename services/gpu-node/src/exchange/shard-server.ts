import type { Msg, Subscription } from "@nats-io/transport-node";
import { RetakeError } from "@retake/errors";
import type { VectorRange } from "@retake/model/tuning";
import { decodeShardRequest, encodeShardFrame, type ShardRequest } from "@retake/wire/exchange";
import type { FrameSweeper } from "./frame-sweeper.js";
import type { ExchangeLimits } from "./limits.js";
import type { ShardAnswer } from "./shard-answer.js";
import type { ExchangeCounter, ShardConnection } from "./shard-connection.js";

/** What the server answers from; asked anew for every frame. */
export interface ShardSource {
  answerTo(request: ShardRequest): ShardAnswer;
  /** The bytes of a piece; read at once, not kept. */
  bytesOf(request: ShardRequest, range: VectorRange): Uint8Array;
}

export interface ShardServerOptions {
  readonly connection: ShardConnection;
  readonly jobKey: Uint8Array;
  readonly subject: string;
  readonly source: ShardSource;
  readonly limits: ExchangeLimits;
  readonly counter: ExchangeCounter;
  readonly sweeper: FrameSweeper;
}

interface Waiting {
  readonly request: ShardRequest;
  /** Where the answer goes. Not the message itself: it would keep a whole read buffer. */
  readonly reply: string;
  readonly untilMs: number;
}

const sweepsPerHold = 4;
const noBytes = new Uint8Array(0);

/**
 * Answers the requests of peers. A request for what is not there yet is held until it is, or until
 * the peer should hear that this node lives; so nobody polls, and a silent node is a lost one.
 */
export class ShardServer {
  readonly #options: ShardServerOptions;
  readonly #subscription: Subscription;
  readonly #sweep: NodeJS.Timeout;
  #held: Waiting[] = [];
  readonly #ready: Waiting[] = [];
  #isAnswering = false;
  #unflushedBytes = 0;
  #flush: Promise<void> = Promise.resolve();

  constructor(options: ShardServerOptions) {
    this.#options = options;
    const { connection, subject, limits } = options;
    this.#subscription = connection.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) this.#receive(message);
        else this.#options.counter.add("requestsRefused");
      },
    });
    this.#sweep = setInterval(() => this.#expire(), limits.holdDurationMs / sweepsPerHold);
    this.#sweep.unref();
  }

  /** Looks at the held requests again: a shard became ready, or the turn changed. */
  wake(): void {
    const held = this.#held;
    this.#held = [];
    for (const waiting of held) this.#judge(waiting);
  }

  close(): void {
    clearInterval(this.#sweep);
    this.#held = [];
    this.#ready.length = 0;
    if (!this.#options.connection.isClosed()) this.#subscription.unsubscribe();
  }

  #receive(message: Msg): void {
    const request = this.#decoded(message.data);
    const reply = message.reply ?? "";
    if (request === undefined || reply === "") {
      // Whoever sends such a thing is no member: it is counted, and gets no answer.
      this.#options.counter.add("requestsRefused");
      return;
    }
    const untilMs = performance.now() + this.#options.limits.holdDurationMs;
    this.#judge({ request, reply, untilMs });
  }

  #decoded(bytes: Uint8Array): ShardRequest | undefined {
    try {
      return decodeShardRequest(bytes, this.#options.jobKey);
    } catch (thrown) {
      if (thrown instanceof RetakeError) return undefined;
      throw thrown;
    }
  }

  #judge(waiting: Waiting): void {
    const { source, limits, counter } = this.#options;
    const { kind } = source.answerTo(waiting.request);
    const isFull = this.#held.length + this.#ready.length >= limits.heldRequestsMax;
    if (isFull && (kind === "serve" || kind === "hold")) {
      this.#turnAway(waiting, { pending: true });
    } else if (kind === "serve") {
      this.#ready.push(waiting);
      void this.#answerReady();
    } else if (kind === "hold") {
      this.#held.push(waiting);
    } else if (kind === "stale") {
      counter.add("requestsStale");
      this.#turnAway(waiting, { stale: true });
    } else {
      counter.add("requestsRefused");
    }
  }

  /** One frame after the other, and no more of them than the server takes. */
  async #answerReady(): Promise<void> {
    if (this.#isAnswering) return;
    this.#isAnswering = true;
    try {
      for (let next = this.#ready.shift(); next !== undefined; next = this.#ready.shift()) {
        this.#answer(next);
        if (this.#unflushedBytes >= this.#options.limits.bytesUnflushedMax / 2)
          await this.#flushed();
      }
    } finally {
      this.#isAnswering = false;
    }
  }

  /** Waits for the flush before this one: half of what may be unflushed is under way meanwhile. */
  async #flushed(): Promise<void> {
    const before = this.#flush;
    this.#unflushedBytes = 0;
    // A connection that is lost loses answers, too: the peers ask again.
    this.#flush = this.#options.connection.flush().catch(() => undefined);
    await before;
  }

  /** Judges again: the turn may have changed while the request stood in line. */
  #answer(waiting: Waiting): void {
    const { source, counter } = this.#options;
    const { request } = waiting;
    const answer = source.answerTo(request);
    if (answer.kind !== "serve") {
      this.#judge(waiting);
      return;
    }
    const { totalBytes, sumOfSquares } = answer;
    const bytes = source.bytesOf(request, answer.range);
    this.#send(waiting, { ...headOf(request), totalBytes, sumOfSquares }, bytes);
    this.#unflushedBytes += bytes.length;
    counter.add("framesServed");
    counter.add("bytesServed", bytes.length);
    this.#options.sweeper.moved(bytes.length);
  }

  #turnAway(waiting: Waiting, why: { readonly pending?: true; readonly stale?: true }): void {
    this.#send(waiting, { ...headOf(waiting.request), ...why }, noBytes);
  }

  #send({ reply }: Waiting, head: ReturnType<typeof headOf>, bytes: Uint8Array): void {
    const { connection, jobKey } = this.#options;
    if (connection.isClosed()) return;
    connection.publish(reply, encodeShardFrame(head, bytes, jobKey));
  }

  #expire(): void {
    const nowMs = performance.now();
    const late = this.#held.filter(({ untilMs }) => untilMs <= nowMs);
    if (late.length === 0) return;
    this.#held = this.#held.filter(({ untilMs }) => untilMs > nowMs);
    for (const waiting of late) this.#turnAway(waiting, { pending: true });
  }
}

/** An answer's head repeats the request, so that the peer can compare. */
function headOf(request: ShardRequest) {
  const { lengthBytes, ...name } = request;
  return { ...name, totalBytes: lengthBytes, sumOfSquares: 0, pending: false, stale: false };
}
