import { Code, RetakeError } from "@retake/errors";
import { badMessage } from "@retake/wire/decoders";
import type { PullActivationsResponse } from "@retake/wire/peer";

/** Opens the stream of what one rank gives another; it ends with the signal. */
export type OpenActivations = (
  signal: AbortSignal,
) => AsyncGenerator<PullActivationsResponse, void, undefined>;

/** Which message is meant. */
export interface RoundOf {
  readonly pass: number;
  readonly round: number;
  /** Values in the message. */
  readonly length: number;
}

/** What one peer gives this rank: pulled, so that it never comes faster than it is taken. */
export class Inbox {
  readonly #subject: string;
  readonly #patienceMs: number;
  readonly #stop = new AbortController();
  readonly #messages: AsyncGenerator<PullActivationsResponse, void, undefined>;

  constructor(
    open: OpenActivations,
    { subject, patienceMs }: { readonly subject: string; readonly patienceMs: number },
  ) {
    this.#subject = subject;
    this.#patienceMs = patienceMs;
    this.#messages = open(this.#stop.signal);
  }

  /**
   * Takes the next message, which must be the one that is meant.
   *
   * @throws RetakeError  `peer-silent`; `bad-message` for another message; what the peer says
   */
  async take(wanted: RoundOf): Promise<Float32Array> {
    const values = new Float32Array(wanted.length);
    const bytes = Buffer.from(values.buffer);
    let offset = 0;
    while (offset < bytes.length) {
      const { pass, round, offsetBytes, totalBytes, data } = await this.#next();
      const isNext = pass === wanted.pass && round === wanted.round && offsetBytes === offset;
      const fits = totalBytes === bytes.length && data.length > 0;
      if (!isNext || !fits || offset + data.length > bytes.length) {
        const expected = `pass ${wanted.pass}, round ${wanted.round}, byte ${offset}`;
        const got = `pass ${pass}, round ${round}, byte ${offsetBytes}`;
        const [of, ofGot] = [`of ${bytes.length}`, `of ${totalBytes}`];
        throw badMessage(this.#subject, { expected: `${expected} ${of}`, got: `${got} ${ofGot}` });
      }
      bytes.set(data, offset);
      offset += data.length;
    }
    return values;
  }

  close(): void {
    this.#stop.abort();
  }

  async #next(): Promise<PullActivationsResponse> {
    let isSilent = false;
    const timer = setTimeout(() => {
      isSilent = true;
      this.#stop.abort();
    }, this.#patienceMs);
    try {
      const { value } = await this.#messages.next();
      if (value !== undefined) return value;
      const message = `${this.#subject}: expected activations, got the end of them`;
      throw new RetakeError(Code.Unavailable, "peer-silent", message);
    } catch (thrown) {
      if (!isSilent) throw thrown;
      const message = `${this.#subject}: expected activations within ${this.#patienceMs} ms`;
      throw new RetakeError(Code.Unavailable, "peer-silent", message, { cause: thrown });
    } finally {
      clearTimeout(timer);
    }
  }
}
