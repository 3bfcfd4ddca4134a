import { once } from "node:events";
import { PassThrough } from "node:stream";
import { ChunkReceiver } from "@retake/wire";
import type { Chunk } from "@retake/wire/artifact";
import type { Artifact, ArtifactStore } from "../store/artifact-store.js";

/** Of a snapshot: weights and two moments of four times the vector of SD 1.x. */
const transferBytesMax = 4 * 2 ** 30;

/** Stores the chunks of one transfer as they come; nothing of them is held in memory. */
export class ArtifactSink {
  readonly #receiver: ChunkReceiver;
  readonly #bytes = new PassThrough();
  readonly #stored: Promise<Artifact>;

  constructor(artifacts: ArtifactStore, subject: string) {
    this.#receiver = new ChunkReceiver({ subject, bytesMax: transferBytesMax });
    this.#stored = artifacts.put(this.#bytes);
    // It may fail before anybody waits for it, and its reader then ends the stream.
    this.#stored.catch(() => undefined);
    this.#bytes.on("error", () => undefined);
  }

  /**
   * Takes the next chunk.
   *
   * @returns  the artifact, with the last chunk
   * @throws RetakeError  as `ChunkReceiver` and `ArtifactStore.put`
   */
  async take(chunk: Chunk): Promise<Artifact | undefined> {
    const bytes = this.#receiver.take(chunk);
    if (!this.#bytes.write(bytes)) {
      await Promise.race([once(this.#bytes, "drain"), this.#stored]);
    }
    if (!this.#receiver.isWhole) return undefined;
    this.#bytes.end();
    return this.#stored;
  }

  /** The transfer is broken off: nothing of it stays. */
  drop(): void {
    this.#bytes.destroy(new Error("the transfer was broken off"));
  }
}
