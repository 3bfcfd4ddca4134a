/** What the members of a quorum exchange, and what a committed step leaves behind. */
export { decodeCommitRecord, encodeCommitRecord } from "./exchange-codec/commit-record.js";
export {
  assertJobToken,
  decodeJobKey,
  type JobTokenOf,
  jobToken,
} from "./exchange-codec/job-key.js";
export {
  decodeShardFrame,
  encodeShardFrame,
  type ReceivedShard,
  shardBytesMax,
  shardPieceBytesMax,
} from "./exchange-codec/shard-frame.js";
export { decodeShardRequest, encodeShardRequest } from "./exchange-codec/shard-request.js";
export {
  CommitRecord,
  ShardFrame,
  ShardKind,
  ShardRequest,
} from "./generated/retake/v1/exchange.js";
