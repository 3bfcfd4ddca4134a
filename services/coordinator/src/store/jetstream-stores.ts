import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { Code, RetakeError } from "@retake/errors";
import { jsonCodec, malformed } from "./codec.js";
import type { Commit } from "./commit-log.js";
import { openJetStreamCommits } from "./jetstream-commits.js";
import { openJetStreamEvents } from "./jetstream-events.js";
import { openJetStreamRecords } from "./jetstream-records.js";
import { isJetStreamNotEnabled, type JetStreamAccess, retried } from "./jetstream-requests.js";
import { decodeLeader } from "./lease-claim.js";
import * as limits from "./limits.js";
import type { RecordStore } from "./record-store.js";
import type { StoreCodecs, Stores } from "./stores.js";

/** Grows when what an older coordinator would misread is written. */
export const storeVersion = 1;

export interface JetStreamStoresOptions {
  /** Begins every name in NATS: two clusters may share one server. */
  readonly name?: string;
  /** 3 on a cluster of three servers or more: then one may be lost. */
  readonly replicas?: 1 | 3;
  /** How long a write is tried again before it is called unavailable. */
  readonly writeDeadlineMs?: number;
  /** How long one try waits for its answer. */
  readonly attemptDurationMs?: number;
}

/**
 * Opens the state of a cluster in NATS, and makes what is missing.
 *
 * @throws RetakeError nats-without-jetstream, store-newer, store-unavailable, bad-option
 */
export async function openJetStreamStores<Value, Record extends Commit>(
  connection: NatsConnection,
  codecs: StoreCodecs<Value, Record>,
  options: JetStreamStoresOptions = {},
): Promise<Stores<Value, Record>> {
  const { name = "retake", replicas = 1 } = options;
  const access = await openAccess(connection, options);
  const versions = await openJetStreamRecords(access, jsonCodec(decodeVersion), {
    bucket: `${name}-version`,
    replicas,
    bytesMax: limits.smallBucketBytesMax,
  });
  await assertVersion(versions);
  return {
    leaders: await openJetStreamRecords(access, jsonCodec(decodeLeader), {
      bucket: `${name}-leaders`,
      replicas,
      bytesMax: limits.smallBucketBytesMax,
    }),
    records: await openJetStreamRecords(access, codecs.record, {
      bucket: `${name}-edits`,
      replicas,
      bytesMax: limits.recordsBytesMax,
    }),
    commits: await openJetStreamCommits(access, codecs.commit, {
      replicas,
      stream: `${name}-commits`,
      subjectPrefix: `${name}.commits`,
    }),
    events: await openJetStreamEvents(access, {
      replicas,
      stream: `${name}-events`,
      subjectPrefix: `${name}.events`,
    }),
  };
}

async function openAccess(
  connection: NatsConnection,
  options: JetStreamStoresOptions,
): Promise<JetStreamAccess> {
  const { writeDeadlineMs = limits.writeDeadlineMs } = options;
  const { attemptDurationMs = limits.attemptDurationMs } = options;
  const js = jetstream(connection, { timeout: attemptDurationMs });
  const jsm = await jetstreamManager(connection, { timeout: attemptDurationMs, checkAPI: false });
  const access = { js, jsm, writeDeadlineMs, attemptDurationMs };
  const hasJetStream = connection.info?.jetstream === true;
  // A server that has JetStream may still be reading its disk; one that has not never will.
  const patience = hasJetStream ? access : { writeDeadlineMs: 0 };
  await retried(patience, "JetStream", () => jsm.getAccountInfo()).catch((thrown: unknown) => {
    const cause = thrown instanceof RetakeError ? thrown.cause : thrown;
    if (hasJetStream || !isJetStreamNotEnabled(cause)) throw thrown;
    const message =
      `NATS at ${connection.getServer()}: expected JetStream, got a server without it; ` +
      "start nats-server with -js and a -sd folder";
    throw new RetakeError(Code.FailedPrecondition, "nats-without-jetstream", message, {
      cause: thrown,
    });
  });
  return access;
}

const versionId = "store";

async function assertVersion(versions: RecordStore<number>): Promise<void> {
  const found = await versions.get(versionId);
  if (found === undefined) {
    await versions.create(versionId, storeVersion);
    return;
  }
  if (found.value <= storeVersion) return;
  const message =
    `store in NATS: expected version ${storeVersion} or older, got ${found.value}; ` +
    "install the newer Retake that wrote it, or give another store name";
  throw new RetakeError(Code.FailedPrecondition, "store-newer", message);
}

function decodeVersion(json: unknown): number {
  if (Number.isSafeInteger(json) && Number(json) > 0) return Number(json);
  const problem = `expected a whole number, got ${JSON.stringify(json)}`;
  throw malformed("store version", { problem });
}
