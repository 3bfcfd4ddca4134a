import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Chunk } from "../generated/retake/v1/artifact.js";
import { ChunkReceiver, chunkBytes, chunksOf, collectChunks, fileChunks } from "./chunk.js";

const limits = { subject: "a file", bytesMax: 4 * chunkBytes };
const counting = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => i & 255));
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const lengths = [0, 1, chunkBytes - 1, chunkBytes, chunkBytes + 1, 4 * chunkBytes];

describe("chunksOf and collectChunks", () => {
  it.each(lengths)("carry %i bytes, through their encoding", async (length) => {
    const bytes = counting(length);
    const sent = [...chunksOf(bytes)].map((chunk) => Chunk.encode(chunk).finish());
    expect(sent.length).toBe(Math.max(1, Math.ceil(length / chunkBytes)));
    const chunks = sent.map((message) => Chunk.decode(message));
    const got = await collectChunks(chunks, { ...limits, sha256: sha256(bytes) });
    expect(got.equals(bytes)).toBe(true);
  });

  it("carry a part of a larger buffer", async () => {
    const bytes = counting(1000).subarray(100, 700);
    expect(await collectChunks(chunksOf(bytes), limits)).toEqual(bytes);
  });

  it("refuse another digest", async () => {
    const work = collectChunks(chunksOf(counting(9)), { ...limits, sha256: sha256(counting(8)) });
    await expect(work).rejects.toMatchObject({ reason: "checksum-mismatch" });
  });

  it("refuse a transfer that ends early, or never began", async () => {
    const [first] = chunksOf(counting(chunkBytes + 1));
    for (const chunks of [[first], []]) {
      const work = collectChunks(chunks, limits);
      await expect(work).rejects.toMatchObject({ reason: "file-truncated" });
    }
  });
});

describe("fileChunks", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "retake-chunks-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(lengths)("reads a file of %i bytes, whole or from an offset", async (length) => {
    const path = join(folder, String(length));
    const bytes = counting(length);
    await writeFile(path, bytes);
    for (const offsetBytes of [0, Math.min(7, length), length]) {
      const chunks = fileChunks(path, { offsetBytes });
      const rest = await collectChunks(chunks, { ...limits, offsetBytes });
      expect(rest.equals(bytes.subarray(offsetBytes))).toBe(true);
    }
    const beyond = collectChunks(fileChunks(path, { offsetBytes: length + 1 }), limits);
    await expect(beyond).rejects.toMatchObject({ reason: "bad-message" });
  });

  it("says that a file is not there", async () => {
    const work = collectChunks(fileChunks(join(folder, "none"), { offsetBytes: 0 }), limits);
    await expect(work).rejects.toMatchObject({ reason: "file-not-found" });
  });
});

describe("ChunkReceiver", () => {
  const chunks = [...chunksOf(counting(2 * chunkBytes + 5))];
  const [first, second, third] = chunks as [Chunk, Chunk, Chunk];

  it("knows how far it is", () => {
    const receiver = new ChunkReceiver(limits);
    const steps = chunks.map((chunk) => {
      receiver.take(chunk);
      return [receiver.receivedBytes, receiver.isWhole];
    });
    expect(steps).toEqual([
      [chunkBytes, false],
      [2 * chunkBytes, false],
      [2 * chunkBytes + 5, true],
    ]);
  });

  it.each([
    ["a chunk twice", [first, first], "bad-message"],
    ["a chunk left out", [first, third], "bad-message"],
    ["another total", [first, { ...second, totalBytes: 3 * chunkBytes }], "bad-message"],
    ["fewer bytes", [{ ...first, data: first.data.subarray(1) }], "bad-message"],
    ["no bytes", [{ ...first, data: Buffer.alloc(0) }], "bad-message"],
    ["more after the last", [first, second, third, third], "bad-message"],
    ["no chunk", [undefined], "bad-message"],
    ["another CRC", [{ ...first, crc32: first.crc32 ^ 1 }], "checksum-mismatch"],
    ["a byte turned", [{ ...first, data: Buffer.alloc(chunkBytes) }], "checksum-mismatch"],
    ["more than the limit", [{ ...first, totalBytes: 4 * chunkBytes + 1 }], "message-too-large"],
  ])("refuses %s", (_, given, reason) => {
    const receiver = new ChunkReceiver(limits);
    const take = (): void => given.forEach((chunk) => void receiver.take(chunk));
    expect(take).toThrow(expect.objectContaining({ reason }));
  });

  it("gives the same bytes or refuses, whatever is done to the chunks", async () => {
    const bytes = counting(3 * chunkBytes);
    const sent = [...chunksOf(bytes)];
    const order = fc.array(fc.nat({ max: 2 }), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(order, async (indices) => {
        const given = indices.map((index) => sent[index]);
        const isRight = indices.join() === "0,1,2";
        const outcome = await collectChunks(given, limits).then(
          (got) => got.equals(bytes),
          () => false,
        );
        expect(outcome).toBe(isRight);
      }),
      { numRuns: 60, examples: [[[0, 1, 2]]] },
    );
  });
});
