import { jsonCodec } from "./codec.js";
import type { Commit } from "./commit-log.js";
import { decodeLeader } from "./lease-claim.js";
import { createMemoryCommits, createMemoryEvents } from "./memory-logs.js";
import { createMemoryRecords } from "./memory-records.js";
import type { StoreCodecs, Stores } from "./stores.js";

/** All state in this process: for `retake edit`, the simulator and tests. */
export function createMemoryStores<Value, Record extends Commit>(
  codecs: StoreCodecs<Value, Record>,
): Stores<Value, Record> {
  return {
    records: createMemoryRecords(codecs.record),
    commits: createMemoryCommits(codecs.commit),
    events: createMemoryEvents(),
    leaders: createMemoryRecords(jsonCodec(decodeLeader)),
  };
}
