import { createHash } from "node:crypto";

/**
 * Who reduces a shard: the member with the highest SHA-256 of `shardIndex/nodeId`, compared as hex
 * (rendezvous hashing). Every member computes the same, whatever the order of the list; when a
 * member goes, only its own shards move.
 *
 * @throws RangeError  if there are no members
 */
export function ownerOf(shardIndex: number, nodeIds: readonly string[]): string {
  let owner: { readonly nodeId: string; readonly weight: string } | undefined;
  for (const nodeId of nodeIds) {
    const weight = createHash("sha256").update(`${shardIndex}/${nodeId}`).digest("hex");
    if (owner === undefined || weight > owner.weight) owner = { nodeId, weight };
  }
  if (owner === undefined) throw new RangeError("quorum: expected members, got none");
  return owner.nodeId;
}
