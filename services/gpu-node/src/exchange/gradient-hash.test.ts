import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { gradientHash, shardDigest } from "./gradient-hash.js";

const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

describe("gradientHash", () => {
  it("is the SHA-256 over the shards' digests, in their order", () => {
    const vector = Float32Array.of(1, -2, 3);
    const [left, right] = [vector.subarray(0, 1), vector.subarray(1)];
    const bytes = new Uint8Array(vector.buffer);
    const expected = sha256(
      Buffer.concat([sha256(bytes.subarray(0, 4)), sha256(bytes.subarray(4))]),
    );
    const digests = [left, right].map(shardDigest);
    expect(gradientHash(digests)).toBe(expected.toString("hex"));
    expect(gradientHash(digests.toReversed())).not.toBe(expected.toString("hex"));
  });

  it("tells -0 from 0, which compare as equal", () => {
    const hashOf = (value: number): string => gradientHash([shardDigest(Float32Array.of(value))]);
    expect(hashOf(-0)).not.toBe(hashOf(0));
  });
});
