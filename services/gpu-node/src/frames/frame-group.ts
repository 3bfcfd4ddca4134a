import { Code, RetakeError } from "@retake/errors";
import type { FrameShard } from "@retake/model/frames";
import type { Exchanger } from "../runtime/engine.js";
import { Inbox, type OpenActivations } from "./inbox.js";
import { Outbox, type RoundMessage } from "./outbox.js";

/** One rank's end of the ranks that share the frames of a clip: what it gives, what it gets. */
export class FrameGroup {
  readonly shard: FrameShard;
  /** Of the edit: who pulls from here must show a token made of it. */
  readonly jobKey: Uint8Array;
  readonly #outboxes: readonly Outbox[];
  readonly #inboxes: readonly (Inbox | undefined)[];

  /**
   * @param open  how to pull what a rank gives this one
   */
  constructor(
    shard: FrameShard,
    options: {
      readonly jobKey: Uint8Array;
      readonly open: (rank: number) => OpenActivations;
      readonly patienceMs: number;
    },
  ) {
    this.shard = shard;
    this.jobKey = options.jobKey;
    const { patienceMs, open } = options;
    this.#outboxes = shard.frameCounts.map(() => new Outbox());
    this.#inboxes = shard.frameCounts.map((_, rank) => {
      const subject = `activations of rank ${rank}`;
      return rank === shard.rank ? undefined : new Inbox(open(rank), { subject, patienceMs });
    });
  }

  /** What this rank gives to another, as it comes. */
  outgoing(rank: number, signal: AbortSignal): AsyncGenerator<RoundMessage, void, undefined> {
    const outbox = rank === this.shard.rank ? undefined : this.#outboxes[rank];
    if (outbox !== undefined) return outbox.messages(signal);
    const message = `group: expected a rank other than ${this.shard.rank}, got ${rank}`;
    throw new RetakeError(Code.InvalidArgument, "bad-message", message);
  }

  /** Exchanges the rounds of one pass; all ranks number their passes alike. */
  exchanger(pass: number): Exchanger {
    let rounds = 0;
    return async ({ sends, lengths }) => {
      const round = rounds;
      rounds += 1;
      sends.forEach((values, to) => {
        if (values.length > 0) this.#outboxes[to]?.give({ pass, round, values });
      });
      return Promise.all(
        lengths.map(async (length, from) => {
          const inbox = this.#inboxes[from];
          if (length === 0 || inbox === undefined) return new Float32Array(0);
          return inbox.take({ pass, round, length });
        }),
      );
    };
  }

  /** Ends both directions: who waits for this rank is told why. */
  close(reason: RetakeError): void {
    for (const outbox of this.#outboxes) outbox.close(reason);
    for (const inbox of this.#inboxes) inbox?.close();
  }
}
