import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { credentials } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { ArtifactServiceClient, ArtifactServiceService } from "../artifact.js";
import { clientOptions } from "../calls/channel-options.js";
import { readStream } from "../calls/client-calls.js";
import { handleServerStream, type StreamContext } from "../calls/server-handlers.js";
import { type Chunk, PullResponse } from "../generated/retake/v1/artifact.js";
import { listen } from "../testing/loopback.js";
import { chunkBytes, chunksOf, collectChunks } from "./chunk.js";
import { deserializedChunk, serializedChunk } from "./serialized-chunk.js";

const counting = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => i & 255));
const lengths = [0, 1, 127, 128, chunkBytes, chunkBytes + 5];

/** What gRPC makes of it: it copies what it was given behind five bytes of its own. */
function sent(answer: { readonly chunk: Chunk | undefined }): Buffer {
  const serialized = serializedChunk(answer);
  const message = Buffer.alloc(5 + serialized.byteLength, 0xff);
  expect(serialized.copy(message, 5)).toBe(serialized.byteLength);
  return message.subarray(5);
}

const generated = (answer: { readonly chunk: Chunk | undefined }): Buffer =>
  Buffer.from(PullResponse.encode(answer).finish());

/** Compares data by itself: a matcher would take half a minute for it. */
function expectSame(got: Chunk | undefined, expected: Chunk): void {
  expect(got?.data.equals(expected.data)).toBe(true);
  expect({ ...got, data: 0 }).toEqual({ ...expected, data: 0 });
}

describe("serializedChunk", () => {
  it.each(lengths)("carries chunks of %i bytes", (length) => {
    for (const chunk of chunksOf(counting(length))) {
      expectSame(PullResponse.decode(sent({ chunk })).chunk, chunk);
    }
  });

  it("carries a part of a larger buffer", () => {
    const data = Buffer.from("abcdefgh").subarray(2, 5);
    const message = sent({ chunk: { offsetBytes: 7, totalBytes: 10, data, crc32: 5 } });
    const { chunk } = PullResponse.decode(message);
    expect(chunk).toEqual({ offsetBytes: 7, totalBytes: 10, data: Buffer.from("cde"), crc32: 5 });
  });

  it("carries no chunk", () => {
    expect(PullResponse.decode(sent({ chunk: undefined }))).toEqual({ chunk: undefined });
  });
});

describe("deserializedChunk", () => {
  it.each(lengths)("reads chunks of %i bytes, of either encoding", (length) => {
    for (const chunk of chunksOf(counting(length))) {
      expectSame(deserializedChunk(generated({ chunk })).chunk, chunk);
      expectSame(deserializedChunk(sent({ chunk })).chunk, chunk);
    }
  });

  it("reads no chunk", () => {
    expect(deserializedChunk(Buffer.alloc(0))).toEqual({ chunk: undefined });
  });

  it("gives a view of the message", () => {
    const [chunk] = chunksOf(Buffer.from("abc"));
    const message = generated({ chunk });
    const got = deserializedChunk(message).chunk?.data;
    message.fill(0);
    expect(got).toEqual(Buffer.alloc(3));
  });

  it("passes over fields that it does not know", () => {
    const fields = new BinaryWriter()
      .uint32((9 << 3) | 2)
      .bytes(Buffer.from("later"))
      .uint32((3 << 3) | 2)
      .bytes(Buffer.from("abc"));
    const answer = new BinaryWriter()
      .uint32((2 << 3) | 0)
      .uint32(7)
      .uint32((1 << 3) | 2);
    const message = Buffer.from(answer.bytes(fields.finish()).finish());
    const expected = { offsetBytes: 0, totalBytes: 0, data: Buffer.from("abc"), crc32: 0 };
    expect(deserializedChunk(message)).toEqual({ chunk: expected });
  });

  it("refuses bytes that end within a field", () => {
    const [chunk] = chunksOf(counting(200));
    const message = generated({ chunk });
    for (const length of [1, 2, 10, message.length - 1]) {
      expect(() => deserializedChunk(message.subarray(0, length))).toThrow();
    }
  });
});

it("carries every byte over gRPC", async () => {
  const bytes = counting(2 * chunkBytes + 5);
  const { server, address } = await listen(ArtifactServiceService, {
    pull: handleServerStream(
      async (_, { send }: StreamContext<PullResponse>) => {
        for (const chunk of chunksOf(bytes)) await send({ chunk });
        await send({ chunk: undefined });
      },
      { subject: "pull" },
    ),
  });
  const client = new ArtifactServiceClient(address, credentials.createInsecure(), clientOptions);
  const request = { artifactId: "", offsetBytes: 0 };
  const chunks: Chunk[] = [];
  let empty = 0;
  for await (const { chunk } of readStream(client.pull.bind(client), request, { subject: "a" })) {
    if (chunk === undefined) empty += 1;
    else chunks.push(chunk);
  }
  client.close();
  server.forceShutdown();
  expect(empty).toBe(1);
  const limits = { subject: "a pull", bytesMax: bytes.length };
  expect((await collectChunks(chunks, limits)).equals(bytes)).toBe(true);
});
