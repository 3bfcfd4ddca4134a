import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ShardKind } from "../generated/retake/v1/exchange.js";
import { seal, sealBytes } from "./job-key.js";
import { shardBytesMax, shardPieceBytesMax } from "./shard-frame.js";
import { decodeShardRequest, encodeShardRequest } from "./shard-request.js";

const key = new Uint8Array(32).fill(7);

const request = {
  ...{ quorumId: 1, step: 0, attempts: 9, kind: ShardKind.SHARD_KIND_PARTIAL, shardIndex: 63 },
  ...{ firstDraw: 2, drawCount: 2, offsetBytes: 0, lengthBytes: shardPieceBytesMax },
};

describe("encodeShardRequest and decodeShardRequest", () => {
  it("carry a request", () => {
    expect(decodeShardRequest(encodeShardRequest(request, key), key)).toEqual(request);
  });

  it.each([
    ["no bytes", { lengthBytes: 0 }],
    ["more bytes than a piece has", { lengthBytes: shardPieceBytesMax + 1 }],
    ["an offset beyond every shard", { offsetBytes: shardBytesMax + 1 }],
    ["no quorum", { quorumId: 0 }],
    ["no subtree", { firstDraw: 1 }],
    ["no kind", { kind: ShardKind.UNRECOGNIZED }],
  ])("refuse %s", (_, wrong) => {
    const bytes = encodeShardRequest({ ...request, ...wrong }, key);
    expect(() => decodeShardRequest(bytes, key)).toThrow(
      expect.objectContaining({ reason: "bad-message" }),
    );
  });

  it("refuse any other bytes with an error of ours, sealed or not", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (given) => {
        expect(() => decodeShardRequest(given, key)).toThrow(
          expect.objectContaining({ code: "PERMISSION_DENIED", reason: "not-allowed" }),
        );
        const bytes = Uint8Array.of(...new Uint8Array(sealBytes), ...given);
        seal("request", bytes, key);
        expect(() => decodeShardRequest(bytes, key)).toThrow(
          expect.objectContaining({ reason: "bad-message" }),
        );
      }),
      { numRuns: Number(process.env["RETAKE_CASES"] ?? 2000) },
    );
  });
});
