import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ShardFrame, ShardKind } from "../generated/retake/v1/exchange.js";
import {
  decodeShardFrame,
  encodeShardFrame,
  shardBytesMax,
  shardPieceBytesMax,
} from "./shard-frame.js";

const head = {
  ...{ quorumId: 3, step: 8, attempts: 9, kind: ShardKind.SHARD_KIND_REDUCED, shardIndex: 5 },
  ...{ firstDraw: 0, drawCount: 0, offsetBytes: 4, totalBytes: 16, sumOfSquares: 0.25 },
  ...{ pending: false, stale: false },
};
const partial = { ...head, kind: ShardKind.SHARD_KIND_PARTIAL, firstDraw: 4, drawCount: 2 };
const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

describe("encodeShardFrame and decodeShardFrame", () => {
  it("carry a piece of a shard", () => {
    for (const given of [head, partial]) {
      const received = decodeShardFrame(encodeShardFrame(given, bytes));
      expect(received.head).toEqual({ ...given, crc32: received.head.crc32 });
      expect(received.bytes).toEqual(bytes);
    }
  });

  it("carry a refusal, and a shard without values", () => {
    for (const refusal of [{ pending: true }, { stale: true }]) {
      const given = { ...head, ...refusal, totalBytes: 0, offsetBytes: 0 };
      expect(decodeShardFrame(encodeShardFrame(given, new Uint8Array())).head).toMatchObject(given);
    }
    const empty = { ...head, totalBytes: 0, offsetBytes: 0 };
    expect(decodeShardFrame(encodeShardFrame(empty, new Uint8Array())).bytes.length).toBe(0);
  });

  it("carry sums that are not finite: the step is abandoned then", () => {
    for (const sumOfSquares of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const frame = encodeShardFrame({ ...head, sumOfSquares }, bytes);
      expect(decodeShardFrame(frame).head.sumOfSquares).toEqual(sumOfSquares);
    }
  });

  it("read a frame that lies within a larger buffer", () => {
    const frame = encodeShardFrame(head, bytes);
    const larger = new Uint8Array(frame.length + 6);
    larger.set(frame, 3);
    expect(decodeShardFrame(larger.subarray(3, -3)).bytes).toEqual(bytes);
  });

  it.each([
    ["quorum 0", { quorumId: 0 }],
    ["fewer attempts than steps", { attempts: 7 }],
    ["no kind", { kind: ShardKind.SHARD_KIND_UNSPECIFIED }],
    ["an index beyond all shards", { shardIndex: 1024 }],
    ["bytes beyond the shard", { offsetBytes: 9 }],
    ["an offset beyond the shard", { offsetBytes: 4096 }],
    ["a shard beyond the limit", { totalBytes: shardBytesMax + 1 }],
    ["a negative sum of squares", { sumOfSquares: -1 }],
    ["bytes with a refusal", { pending: true }],
    ["draws that are no subtree", { ...partial, firstDraw: 3 }],
    ["a number of draws that is no power of two", { ...partial, firstDraw: 0, drawCount: 3 }],
    ["a partial of no draws", { ...partial, firstDraw: 0, drawCount: 0 }],
  ])("refuse %s", (_, wrong) => {
    const frame = encodeShardFrame({ ...head, ...wrong }, bytes);
    expect(() => decodeShardFrame(frame)).toThrow(
      expect.objectContaining({ reason: "bad-message" }),
    );
  });

  it("refuse both refusals at once, no bytes, and more bytes than a piece has", () => {
    const both = encodeShardFrame({ ...head, pending: true, stale: true }, new Uint8Array());
    const none = encodeShardFrame(head, new Uint8Array());
    const large = new Uint8Array(shardPieceBytesMax + 1);
    const tooLarge = encodeShardFrame({ ...head, offsetBytes: 0, totalBytes: 2 ** 20 }, large);
    for (const frame of [both, none, tooLarge]) {
      expect(() => decodeShardFrame(frame)).toThrow(
        expect.objectContaining({ reason: "bad-message" }),
      );
    }
    const most = large.subarray(1);
    const right = encodeShardFrame({ ...head, offsetBytes: 0, totalBytes: 2 ** 20 }, most);
    expect(decodeShardFrame(right).bytes.length).toBe(shardPieceBytesMax);
  });

  it("refuse a head that is longer than the frame, or than any head", () => {
    const frame = encodeShardFrame(head, bytes);
    for (const length of [frame.length - 1, 1025]) {
      const wrong = new Uint8Array(2000);
      wrong.set(frame);
      new DataView(wrong.buffer).setUint16(0, length, true);
      const given = length === 1025 ? wrong : wrong.subarray(0, frame.length);
      expect(() => decodeShardFrame(given)).toThrow(/expected a head within/);
    }
    for (const length of [0, 1])
      expect(() => decodeShardFrame(frame.subarray(0, length))).toThrow();
  });

  it("refuse every frame in which one bit of the bytes was turned", () => {
    const frame = encodeShardFrame(head, bytes);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const turned = frame.slice();
      const at = frame.length - 1 - (bit >> 3);
      turned[at] = (turned[at] ?? 0) ^ (1 << (bit & 7));
      expect(() => decodeShardFrame(turned)).toThrow(
        expect.objectContaining({ reason: "checksum-mismatch" }),
      );
    }
  });

  it("refuse anything else with an error of ours", () => {
    const frame = encodeShardFrame(head, bytes);
    const cut = fc.nat({ max: frame.length }).map((length) => frame.slice(0, length));
    const turned = fc
      .tuple(fc.nat({ max: frame.length - 1 }), fc.nat({ max: 255 }))
      .map(([at, value]) => frame.map((byte, i) => (i === at ? value : byte)));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), cut, turned), (given) => {
        try {
          const got = decodeShardFrame(given);
          expect(ShardFrame.decode(ShardFrame.encode(got.head).finish())).toEqual(got.head);
        } catch (thrown) {
          expect(thrown).toMatchObject({ name: "RetakeError" });
        }
      }),
      { numRuns: 2000 },
    );
  });
});
