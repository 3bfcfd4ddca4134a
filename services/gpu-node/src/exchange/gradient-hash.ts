import { createHash } from "node:crypto";

/** The SHA-256 of a shard's bytes: float32, little-endian, in vector order. */
export function shardDigest(shard: Float32Array): Uint8Array {
  const bytes = new Uint8Array(shard.buffer, shard.byteOffset, shard.byteLength);
  return createHash("sha256").update(bytes).digest();
}

/** SHA-256 over the digests of all shards, in shard order, as hex: what members must agree on. */
export function gradientHash(digests: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const digest of digests) hash.update(digest);
  return hash.digest("hex");
}
