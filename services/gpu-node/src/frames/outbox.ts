import { Code, RetakeError } from "@retake/errors";
import { roundsAheadMax } from "./limits.js";

/** What a rank gives another at one point of a pass. */
export interface RoundMessage {
  readonly pass: number;
  readonly round: number;
  readonly values: Float32Array;
}

/** What a rank gives to one other, in order, until that one takes it. */
export class Outbox {
  readonly #messages: RoundMessage[] = [];
  #wake = (): void => {};
  #end: RetakeError | undefined;

  /** @throws RetakeError  `peer-silent` where too much lies here: nobody takes it */
  give(message: RoundMessage): void {
    if (this.#messages.length >= roundsAheadMax) {
      const text = `activations: expected a peer to take ${roundsAheadMax} messages, it took none`;
      throw new RetakeError(Code.Unavailable, "peer-silent", text);
    }
    this.#messages.push(message);
    this.#wake();
  }

  /** Ends whoever takes messages; none is given any more. */
  close(reason: RetakeError): void {
    this.#end ??= reason;
    this.#messages.length = 0;
    this.#wake();
  }

  /**
   * Takes messages as they come, for one reader.
   *
   * @throws RetakeError  why the outbox was closed; the signal's reason
   */
  async *messages(signal: AbortSignal): AsyncGenerator<RoundMessage, void, undefined> {
    const onAbort = (): void => this.#wake();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      for (;;) {
        signal.throwIfAborted();
        if (this.#end !== undefined) throw this.#end;
        const message = this.#messages.shift();
        if (message !== undefined) {
          yield message;
          continue;
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }
}
