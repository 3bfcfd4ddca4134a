import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ShardFrame, ShardKind } from "../generated/retake/v1/exchange.js";
import { seal, sealBytes } from "./job-key.js";
import {
  decodeShardFrame,
  encodeShardFrame,
  shardBytesMax,
  shardPieceBytesMax,
} from "./shard-frame.js";

const key = new Uint8Array(32).fill(7);
const encode = (given: ShardFrame, bytes: Uint8Array): Uint8Array =>
  encodeShardFrame(given, bytes, key);
const decode = (frame: Uint8Array) => decodeShardFrame(frame, key);
/** With the right seal, whatever it holds. */
function resealed(frame: Uint8Array): Uint8Array {
  seal("frame", frame, key);
  return frame;
}

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
      const received = decode(encode(given, bytes));
      expect(received.head).toEqual(given);
      expect(received.bytes).toEqual(bytes);
    }
  });

  it("carry a refusal, and a shard without values", () => {
    for (const refusal of [{ pending: true }, { stale: true }]) {
      const given = { ...head, ...refusal, totalBytes: 0, offsetBytes: 0 };
      expect(decode(encode(given, new Uint8Array())).head).toMatchObject(given);
    }
    const empty = { ...head, totalBytes: 0, offsetBytes: 0 };
    expect(decode(encode(empty, new Uint8Array())).bytes.length).toBe(0);
  });

  it("carry sums that are not finite: the step is abandoned then", () => {
    for (const sumOfSquares of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const frame = encode({ ...head, sumOfSquares }, bytes);
      expect(decode(frame).head.sumOfSquares).toEqual(sumOfSquares);
    }
  });

  it("read a frame that lies within a larger buffer", () => {
    const frame = encode(head, bytes);
    const larger = new Uint8Array(frame.length + 6);
    larger.set(frame, 3);
    expect(decode(larger.subarray(3, -3)).bytes).toEqual(bytes);
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
    const frame = encode({ ...head, ...wrong }, bytes);
    expect(() => decode(frame)).toThrow(expect.objectContaining({ reason: "bad-message" }));
  });

  it("refuse both refusals at once, no bytes, and more bytes than a piece has", () => {
    const both = encode({ ...head, pending: true, stale: true }, new Uint8Array());
    const none = encode(head, new Uint8Array());
    const large = new Uint8Array(shardPieceBytesMax + 1);
    const tooLarge = encode({ ...head, offsetBytes: 0, totalBytes: 2 ** 20 }, large);
    for (const frame of [both, none, tooLarge]) {
      expect(() => decode(frame)).toThrow(expect.objectContaining({ reason: "bad-message" }));
    }
    const most = large.subarray(1);
    const right = encode({ ...head, offsetBytes: 0, totalBytes: 2 ** 20 }, most);
    expect(decode(right).bytes.length).toBe(shardPieceBytesMax);
  });

  it("refuse a head that is longer than the frame, or than any head", () => {
    const frame = encode(head, bytes);
    for (const length of [frame.length - 1, 1025]) {
      const wrong = new Uint8Array(2000);
      wrong.set(frame);
      new DataView(wrong.buffer).setUint16(sealBytes, length, true);
      const given = resealed(length === 1025 ? wrong : wrong.subarray(0, frame.length));
      expect(() => decode(given)).toThrow(/expected a head within/);
    }
    for (const length of [0, 1]) {
      const short = resealed(new Uint8Array(sealBytes + length));
      expect(() => decode(short)).toThrow(/expected a head/);
    }
  });

  it("refuse every frame in which one bit was turned, wherever", () => {
    const frame = encode(head, bytes);
    for (let bit = 0; bit < frame.length * 8; bit += 1) {
      const turned = frame.slice();
      turned[bit >> 3] = (turned[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => decode(turned)).toThrow(
        expect.objectContaining({ code: "PERMISSION_DENIED", reason: "not-allowed" }),
      );
    }
  });

  it("refuse anything else with an error of ours", () => {
    const frame = encode(head, bytes);
    const cut = fc.nat({ max: frame.length }).map((length) => frame.slice(0, length));
    const turned = fc
      .tuple(fc.nat({ max: frame.length - 1 }), fc.nat({ max: 255 }))
      .map(([at, value]) => frame.map((byte, i) => (i === at ? value : byte)));
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 80 }), cut, turned),
        fc.boolean(),
        (some, isSealed) => {
          const given = isSealed && some.length >= sealBytes ? resealed(some) : some;
          try {
            const got = decode(given);
            expect(ShardFrame.decode(ShardFrame.encode(got.head).finish())).toEqual(got.head);
          } catch (thrown) {
            expect(thrown).toMatchObject({ name: "RetakeError" });
          }
        },
      ),
      { numRuns: Number(process.env["RETAKE_CASES"] ?? 2000) },
    );
  });
});
