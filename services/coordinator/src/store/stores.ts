import type { Codec } from "./codec.js";
import type { Commit, CommitLog } from "./commit-log.js";
import type { EventLog } from "./event-log.js";
import type { Leader } from "./lease-claim.js";
import type { RecordStore } from "./record-store.js";

export interface StoreCodecs<Value, Record> {
  readonly record: Codec<Value>;
  readonly commit: Codec<Record>;
}

/** All state of a coordinator but the artifacts. */
export interface Stores<Value, Record extends Commit> {
  readonly records: RecordStore<Value>;
  readonly commits: CommitLog<Record>;
  readonly events: EventLog;
  /** Where `createEpochLock` keeps who leads. */
  readonly leaders: RecordStore<Leader>;
}
