import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import { ChunkReceiver } from "@retake/wire";
import type { Chunk } from "@retake/wire/artifact";
import { type ArtifactId, decodeArtifactId } from "@retake/wire/decoders";

export interface ArtifactCacheOptions {
  readonly folder: string;
  /** What the folder may hold; what is in use stays, whatever its size. */
  readonly bytesMax: number;
  /** Fetches an artifact from where it is kept. */
  readonly pull: (id: ArtifactId, signal: AbortSignal) => AsyncIterable<Chunk | undefined>;
}

interface Entry {
  readonly bytes: number;
  /** How many tasks read it now. */
  users: number;
  /** Whether its bytes have been checked by this process. */
  isChecked: boolean;
}

/** Of one artifact: a clip of 2 GiB and its header fit. */
const artifactBytesMax = 4 * 2 ** 30;
const incoming = ".incoming-";

/**
 * Artifacts on this machine's disk, each named by the SHA-256 of its bytes. What was used longest
 * ago goes first when there is no more room.
 */
export class ArtifactCache {
  readonly #options: ArtifactCacheOptions;
  /** From the least to the most recently used. */
  readonly #entries = new Map<ArtifactId, Entry>();
  readonly #pulls = new Map<ArtifactId, Promise<void>>();

  private constructor(options: ArtifactCacheOptions) {
    this.#options = options;
  }

  /** Opens a folder, and takes over what it holds. */
  static async open(options: ArtifactCacheOptions): Promise<ArtifactCache> {
    const cache = new ArtifactCache(options);
    await mkdir(options.folder, { recursive: true });
    const found: { id: ArtifactId; bytes: number; usedAtMs: number }[] = [];
    for (const name of await readdir(options.folder)) {
      if (name.startsWith(incoming)) await rm(join(options.folder, name), { force: true });
      if (!/^[0-9a-f]{64}$/.test(name)) continue;
      const { size: bytes, atimeMs } = await stat(join(options.folder, name));
      const id = decodeArtifactId(name, { subject: "cached artifact" });
      found.push({ id, bytes, usedAtMs: atimeMs });
    }
    for (const { id, bytes } of found.sort((a, b) => a.usedAtMs - b.usedAtMs)) {
      cache.#entries.set(id, { bytes, users: 0, isChecked: false });
    }
    await cache.#makeRoom();
    return cache;
  }

  get bytes(): number {
    return [...this.#entries.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * Lets a task read an artifact, which is fetched first if it is not here. It stays until the task
   * has read it.
   *
   * @throws RetakeError  what the transfer throws; `checksum-mismatch`, `disk-full`
   */
  async use<Value>(
    id: ArtifactId,
    signal: AbortSignal,
    read: (path: string) => Promise<Value>,
  ): Promise<Value> {
    const entry = await this.#present(id, signal);
    entry.users += 1;
    try {
      return await read(this.#pathOf(id));
    } finally {
      entry.users -= 1;
    }
  }

  async #present(id: ArtifactId, signal: AbortSignal): Promise<Entry> {
    const known = this.#entries.get(id);
    if (known !== undefined && (known.isChecked || (await this.#isWhole(id)))) {
      known.isChecked = true;
      this.#entries.delete(id);
      this.#entries.set(id, known);
      return known;
    }
    if (known !== undefined) await this.#drop(id);
    const pull = this.#pulls.get(id) ?? this.#pull(id, signal);
    this.#pulls.set(id, pull);
    await pull.finally(() => this.#pulls.delete(id));
    const pulled = this.#entries.get(id);
    if (pulled !== undefined) return pulled;
    throw new RetakeError(Code.Internal, "bug", `artifact ${id}: pulled, and gone again`);
  }

  async #pull(id: ArtifactId, signal: AbortSignal): Promise<void> {
    const path = join(this.#options.folder, `${incoming}${id}`);
    const subject = `artifact ${id.slice(0, 12)}`;
    const receiver = new ChunkReceiver({ subject, bytesMax: artifactBytesMax });
    try {
      const file = await open(path, "w");
      try {
        for await (const chunk of this.#options.pull(id, signal)) {
          await file.writeFile(receiver.take(chunk));
        }
      } finally {
        await file.close();
      }
      const digest = receiver.finish();
      if (digest !== id) throw mismatch(subject, digest);
      await rename(path, this.#pathOf(id));
    } catch (thrown) {
      await rm(path, { force: true });
      throw fromUnknown(thrown, `fetching ${subject}`);
    }
    this.#entries.set(id, { bytes: receiver.receivedBytes, users: 0, isChecked: true });
    await this.#makeRoom(id);
  }

  async #isWhole(id: ArtifactId): Promise<boolean> {
    const hash = createHash("sha256");
    try {
      for await (const part of createReadStream(this.#pathOf(id))) hash.update(part);
      return hash.digest("hex") === id;
    } catch {
      // A file that cannot be read is fetched again.
      return false;
    }
  }

  async #makeRoom(newest?: ArtifactId): Promise<void> {
    for (const [id, { users }] of [...this.#entries]) {
      if (this.bytes <= this.#options.bytesMax) return;
      if (users === 0 && id !== newest) await this.#drop(id);
    }
  }

  async #drop(id: ArtifactId): Promise<void> {
    this.#entries.delete(id);
    await rm(this.#pathOf(id), { force: true });
  }

  #pathOf(id: ArtifactId): string {
    return join(this.#options.folder, id);
  }
}

function mismatch(subject: string, got: string): RetakeError {
  const message = `${subject}: expected its name as SHA-256, got ${got}; it is fetched again`;
  return new RetakeError(Code.DataLoss, "checksum-mismatch", message);
}
