import { describe, expect, it } from "vitest";
import { type Chunk, PullResponse } from "../generated/retake/v1/artifact.js";
import { chunkBytes, chunksOf } from "./chunk.js";
import { serializedChunk } from "./serialized-chunk.js";

const decoded = (message: { readonly chunk: Chunk | undefined }): unknown =>
  PullResponse.decode(serializedChunk(message));

describe("serializedChunk", () => {
  it.each([0, 1, 127, 128, chunkBytes, chunkBytes + 5])("carries chunks of %i bytes", (length) => {
    const bytes = Buffer.from(Array.from({ length }, (_, i) => i & 255));
    for (const chunk of chunksOf(bytes)) {
      expect(decoded({ chunk })).toEqual(
        PullResponse.decode(PullResponse.encode({ chunk }).finish()),
      );
    }
  });

  it("carries a part of a larger buffer, and does not keep it", () => {
    const data = Buffer.from("abcdefgh").subarray(2, 5);
    const message = serializedChunk({ chunk: { offsetBytes: 7, totalBytes: 10, data, crc32: 5 } });
    data.fill(0);
    const { chunk } = PullResponse.decode(message);
    expect(chunk).toEqual({ offsetBytes: 7, totalBytes: 10, data: Buffer.from("cde"), crc32: 5 });
  });

  it("carries no chunk", () => {
    expect(decoded({ chunk: undefined })).toEqual({ chunk: undefined });
  });
});
