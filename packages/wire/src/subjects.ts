import type { EditId, NodeId } from "./decoders/ids.js";

/** Where a node answers requests for its shards of a tuning. The ids are checked by their types. */
export function shardSubject({
  editId,
  nodeId,
}: {
  readonly editId: EditId;
  readonly nodeId: NodeId;
}): string {
  return `retake.v1.${editId}.${nodeId}.shard`;
}

/** Where the commit records of a tuning are written. */
export function commitSubject(editId: EditId): string {
  return `retake.v1.${editId}.commit`;
}

/** Begins where answers to a role's requests go: others can be kept from reading them. */
export const inboxPrefix = (role: "coordinator" | "node" | "backup"): string => `_INBOX_${role}`;
