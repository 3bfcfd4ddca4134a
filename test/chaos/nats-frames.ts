/** One operation of the protocol between a NATS client and its server. */
export interface NatsFrame {
  /** `PUB`, `HPUB`, `CONNECT`, ... */
  readonly verb: string;
  /** What follows the verb on its line. */
  readonly words: readonly string[];
  /** The whole operation, payload and line ends included. */
  readonly bytes: Buffer;
  /** Where the payload begins in `bytes`, and its length with headers; 0 where there is none. */
  readonly payload: { readonly offset: number; readonly length: number };
}

const lineEnd = Buffer.from("\r\n");
const noPayload = { offset: 0, length: 0 };

/** Cuts what a NATS client sends into operations, however the bytes arrive. */
export class NatsSplitter {
  #rest: Buffer = Buffer.alloc(0);

  push(bytes: Buffer): readonly NatsFrame[] {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    const frames: NatsFrame[] = [];
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): NatsFrame | undefined {
    const end = this.#rest.indexOf(lineEnd);
    if (end < 0) return undefined;
    const [verb = "", ...words] = this.#rest.subarray(0, end).toString().split(" ");
    const offset = end + lineEnd.length;
    const hasPayload = verb.toUpperCase().endsWith("PUB");
    const length = hasPayload ? Number(words.at(-1)) : 0;
    const total = hasPayload ? offset + length + lineEnd.length : offset;
    if (this.#rest.length < total) return undefined;
    const bytes = Buffer.from(this.#rest.subarray(0, total));
    this.#rest = this.#rest.subarray(total);
    const payload = hasPayload ? { offset, length } : noPayload;
    return { verb: verb.toUpperCase(), words, bytes, payload };
  }
}
