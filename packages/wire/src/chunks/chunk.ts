import { createHash, type Hash } from "node:crypto";
import { open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import type { Chunk } from "../generated/retake/v1/artifact.js";

/** Bytes of one chunk; the last one of a transfer has less. */
export const chunkBytes = 256 * 1024;

/** Bytes as chunks, in order; no bytes at all are one empty chunk. */
export function* chunksOf(bytes: Uint8Array): Generator<Chunk, void, undefined> {
  const { buffer, byteOffset, byteLength } = bytes;
  for (let begin = 0; begin === 0 || begin < byteLength; begin += chunkBytes) {
    const length = Math.min(chunkBytes, byteLength - begin);
    const data = Buffer.from(buffer, byteOffset + begin, length);
    yield chunkOf(data, { offsetBytes: begin, totalBytes: byteLength });
  }
}

/**
 * A file as chunks, read as they are asked for. The caller sees to it that the file stays as it is.
 *
 * @param offsetBytes  what the receiver has already
 * @throws RetakeError  `bad-message` for an offset beyond the end; what reading a file throws
 */
export async function* fileChunks(
  path: string,
  { offsetBytes }: { readonly offsetBytes: number },
): AsyncGenerator<Chunk, void, undefined> {
  const handle = await open(path).catch((thrown: unknown) => {
    throw fromUnknown(thrown, `reading ${path}`);
  });
  try {
    const { size: totalBytes } = await handle.stat();
    if (offsetBytes > totalBytes) {
      const message = `${path}: expected an offset up to ${totalBytes}, got ${offsetBytes}`;
      throw new RetakeError(Code.InvalidArgument, "bad-message", message);
    }
    for (
      let begin = offsetBytes;
      begin === offsetBytes || begin < totalBytes;
      begin += chunkBytes
    ) {
      const data = Buffer.alloc(Math.min(chunkBytes, totalBytes - begin));
      const { bytesRead } = await handle.read(data, 0, data.length, begin);
      if (bytesRead !== data.length) {
        const message = `${path}: expected ${data.length} bytes at ${begin}, got ${bytesRead}`;
        throw new RetakeError(Code.DataLoss, "file-truncated", message);
      }
      yield chunkOf(data, { offsetBytes: begin, totalBytes });
    }
  } finally {
    await handle.close();
  }
}

function chunkOf(data: Buffer, place: Pick<Chunk, "offsetBytes" | "totalBytes">): Chunk {
  return { ...place, data, crc32: crc32(data) };
}

/** What a receiver expects of a transfer. */
export interface ChunkLimits {
  /** What is received, for messages. */
  readonly subject: string;
  readonly bytesMax: number;
  /** What was received before, in another call. Default 0. */
  readonly offsetBytes?: number | undefined;
}

/** Checks the chunks of one transfer as they come: order, sizes, CRC; and digests their bytes. */
export class ChunkReceiver {
  readonly #limits: ChunkLimits;
  readonly #hash: Hash = createHash("sha256");
  #receivedBytes: number;
  #totalBytes: number | undefined;

  constructor(limits: ChunkLimits) {
    this.#limits = limits;
    this.#receivedBytes = limits.offsetBytes ?? 0;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Whether the last chunk has come. */
  get isWhole(): boolean {
    return this.#receivedBytes === this.#totalBytes;
  }

  /**
   * Takes the next chunk.
   *
   * @returns  its bytes
   * @throws RetakeError  `bad-message` for one that is missing, empty, or not the next one;
   *                      `message-too-large` for a transfer above the limit; `checksum-mismatch`
   */
  take(chunk: Chunk | undefined): Buffer {
    if (chunk === undefined) throw this.#unexpected("a chunk", "none");
    const { offsetBytes, totalBytes, data } = chunk;
    const { subject, bytesMax } = this.#limits;
    if (totalBytes > bytesMax) {
      const message = `${subject}: expected at most ${bytesMax} bytes, got ${totalBytes}`;
      throw new RetakeError(Code.ResourceExhausted, "message-too-large", message);
    }
    if (totalBytes !== (this.#totalBytes ?? totalBytes)) {
      throw this.#unexpected(`${this.#totalBytes} bytes in all`, totalBytes);
    }
    if (this.isWhole) throw this.#unexpected("no more chunks", `one at ${offsetBytes}`);
    if (offsetBytes !== this.#receivedBytes) {
      throw this.#unexpected(`a chunk at byte ${this.#receivedBytes}`, `one at ${offsetBytes}`);
    }
    const length = Math.min(chunkBytes, totalBytes - offsetBytes);
    if (data.length !== length) throw this.#unexpected(`${length} bytes`, data.length);
    if (crc32(data) !== chunk.crc32) {
      const message = `${subject}: expected CRC-32 ${chunk.crc32}, got another; fetch it again`;
      throw new RetakeError(Code.DataLoss, "checksum-mismatch", message);
    }
    this.#totalBytes = totalBytes;
    this.#receivedBytes += data.length;
    this.#hash.update(data);
    return data;
  }

  /**
   * Ends the transfer.
   *
   * @returns  SHA-256 of what was taken here, in hexadecimal
   * @throws RetakeError  `file-truncated` if bytes are missing
   */
  finish(): string {
    if (this.isWhole) return this.#hash.digest("hex");
    const expected = this.#totalBytes ?? "some";
    const got = `${this.#receivedBytes}; fetch it again`;
    const message = `${this.#limits.subject}: expected ${expected} bytes, got ${got}`;
    throw new RetakeError(Code.DataLoss, "file-truncated", message);
  }

  #unexpected(expected: string, got: string | number): RetakeError {
    const message = `${this.#limits.subject}: expected ${expected}, got ${got}`;
    return new RetakeError(Code.InvalidArgument, "bad-message", message);
  }
}

/**
 * All bytes of a transfer.
 *
 * @param expected.sha256  what they must digest to, in hexadecimal; not checked if left out
 * @throws RetakeError  as `ChunkReceiver`; `checksum-mismatch` for another digest
 */
export async function collectChunks(
  chunks: AsyncIterable<Chunk | undefined> | Iterable<Chunk | undefined>,
  expected: ChunkLimits & { readonly sha256?: string | undefined },
): Promise<Buffer> {
  const receiver = new ChunkReceiver(expected);
  const parts: Buffer[] = [];
  for await (const chunk of chunks) parts.push(receiver.take(chunk));
  assertDigest(receiver.finish(), expected);
  return Buffer.concat(parts);
}

/** @throws RetakeError  `checksum-mismatch` */
export function assertDigest(
  got: string,
  { subject, sha256 }: { readonly subject: string; readonly sha256?: string | undefined },
): void {
  if (sha256 === undefined || sha256 === got) return;
  const message = `${subject}: expected SHA-256 ${sha256}, got ${got}; fetch it again`;
  throw new RetakeError(Code.DataLoss, "checksum-mismatch", message);
}
