import { DeliverPolicy, type JsMsg } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import type { MsgHdrs } from "@nats-io/transport-node";
import type { Codec } from "./codec.js";
import { inBatches } from "./in-batches.js";
import { type JetStreamAccess, publish, readMessage, retried } from "./jetstream-requests.js";
import {
  pageRecordsDefault,
  readsInFlightMax,
  recordHistory,
  watchHeartbeatMs,
  watchMessagesMax,
} from "./limits.js";
import { pageOfIds, revisionConflict, splitPage } from "./memory-records.js";
import { type Change, type RecordStore, readStored, type Write } from "./record-store.js";
import { assertStoreId } from "./store-id.js";
import { assertValueSize } from "./value-size.js";

export interface BucketOptions {
  readonly bucket: string;
  readonly replicas: 1 | 3;
  /** Of all records; the server reserves them. */
  readonly bytesMax: number;
}

interface Bucket<Value> {
  readonly access: JetStreamAccess;
  readonly bucket: string;
  readonly codec: Codec<Value>;
}

const deleteHeaders = { "KV-Operation": "PURGE", "Nats-Rollup": "sub" };
const operationHeader = "KV-Operation";

const streamOf = (bucket: string): string => `KV_${bucket}`;
const subjectOf = (bucket: string, id: string): string => `$KV.${bucket}.${id}`;

/**
 * Records in a KV bucket, readable with `nats kv`. Written past the client's KV calls: these name
 * no message, so that a retry after a lost answer would take its own write for another's.
 */
export async function openJetStreamRecords<Value>(
  access: JetStreamAccess,
  codec: Codec<Value>,
  { bucket, replicas, bytesMax }: BucketOptions,
): Promise<RecordStore<Value>> {
  const history = recordHistory;
  const options = { replicas, history, max_bytes: bytesMax, allow_direct: false };
  await retried(access, `bucket ${bucket}`, () => new Kvm(access.js).create(bucket, options));
  const opened: Bucket<Value> = { access, bucket, codec };
  return {
    create: (id, value) => put(opened, id, { value, expected: 0 }),
    update: (id, value, { revision }) => put(opened, id, { value, expected: revision }),
    remove: (id, { revision }) => remove(opened, id, { revision }),
    get: async (id) => {
      const message = await lastOf(opened, id);
      if (message === undefined) return undefined;
      return { id, revision: message.seq, value: codec.decode(message.data) };
    },
    list: (options) => list(opened, options),
    watch: ({ signal }) => watch(opened, signal),
  };
}

async function put<Value>(
  { access, bucket, codec }: Bucket<Value>,
  id: string,
  { value, expected }: { readonly value: Value; readonly expected: number },
): Promise<Write> {
  assertStoreId(id);
  const bytes = codec.encode(value);
  assertValueSize(`record ${id}`, bytes);
  const request = { stream: streamOf(bucket), subject: subjectOf(bucket, id), bytes };
  const written = await publish(access, { ...request, expected });
  if (written.outcome === "written") return written;
  const last = await readMessage(access, request.stream, { last_by_subj: request.subject });
  const isGone = last === null || isMark(last.header);
  if (!isGone || expected !== 0 || last === null) {
    return revisionConflict(id, { expected, actual: isGone ? 0 : last.seq });
  }
  // A coordinator that ended between the two halves of `remove` left its mark: follow that.
  const again = await publish(access, { ...request, expected: last.seq });
  if (again.outcome === "written") return again;
  return revisionConflict(id, { expected, actual: last.seq });
}

/** Marks the record as gone, by compare-and-set and for the watchers; then takes the mark away. */
async function remove<Value>(
  { access, bucket }: Bucket<Value>,
  id: string,
  { revision }: { readonly revision: number },
): Promise<Write> {
  assertStoreId(id);
  const [stream, subject] = [streamOf(bucket), subjectOf(bucket, id)];
  const request = { stream, subject, bytes: new Uint8Array(), headers: deleteHeaders };
  const marked = await publish(access, { ...request, expected: revision });
  if (marked.outcome === "conflict") {
    const last = await readMessage(access, stream, { last_by_subj: subject });
    const isGone = last === null || isMark(last.header);
    return revisionConflict(id, { expected: revision, actual: isGone ? 0 : last.seq });
  }
  const purge = { filter: subject, seq: marked.revision + 1 };
  await retried(access, `removal of ${id}`, () => access.jsm.streams.purge(stream, purge));
  return marked;
}

async function lastOf<Value>({ access, bucket }: Bucket<Value>, id: string) {
  assertStoreId(id);
  const query = { last_by_subj: subjectOf(bucket, id) };
  const message = await readMessage(access, streamOf(bucket), query);
  if (message === null || isMark(message.header)) return undefined;
  return message;
}

async function list<Value>(opened: Bucket<Value>, { after = "", limit = pageRecordsDefault } = {}) {
  const { access, bucket, codec } = opened;
  const prefix = subjectOf(bucket, "");
  const info = await retried(access, `list of ${bucket}`, () =>
    access.jsm.streams.info(streamOf(bucket), { subjects_filter: `${prefix}>` }),
  );
  const all = Object.keys(info.state.subjects ?? {}).map((subject) => subject.slice(prefix.length));
  const { ids, next } = pageOfIds(all, { after, limit });
  const reads = await inBatches(ids, readsInFlightMax, async (id) => {
    const message = await lastOf(opened, id);
    return message && readStored(codec, message.data, { id, revision: message.seq });
  });
  return { ...splitPage(reads.filter((read) => read !== undefined)), next };
}

/**
 * An ordered consumer begins anew by itself when its server went away, after the last message that
 * it gave. A removal in that gap is not told: its mark may be gone.
 */
async function* watch<Value>(
  { access, bucket, codec }: Bucket<Value>,
  signal: AbortSignal,
): AsyncGenerator<Change<Value>> {
  if (signal.aborted) return;
  const prefix = subjectOf(bucket, "");
  const { consumer, messages, pending } = await retried(access, `watch of ${bucket}`, async () => {
    const consumer = await access.js.consumers.get(streamOf(bucket), {
      deliver_policy: DeliverPolicy.LastPerSubject,
      filter_subjects: [`${prefix}>`],
    });
    const { num_pending } = await consumer.info();
    const window = { max_messages: watchMessagesMax, idle_heartbeat: watchHeartbeatMs };
    return { consumer, messages: await consumer.consume(window), pending: num_pending };
  });
  const stop = () => messages.stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    let isCurrent = pending === 0;
    if (isCurrent) yield { kind: "current" };
    for await (const message of messages) {
      yield changeOf(codec, message, { id: message.subject.slice(prefix.length) });
      if (!isCurrent && message.info.pending === 0) {
        isCurrent = true;
        yield { kind: "current" };
      }
    }
  } finally {
    signal.removeEventListener("abort", stop);
    messages.stop();
    // A server that is away drops the consumer itself when nobody has asked it for minutes.
    await consumer.delete().catch(() => false);
  }
}

function changeOf<Value>(
  codec: Codec<Value>,
  message: JsMsg,
  { id }: { readonly id: string },
): Change<Value> {
  const revision = message.seq;
  if (isMark(message.headers)) return { kind: "removed", id, revision };
  return readStored(codec, message.data, { id, revision });
}

const isMark = (headers: MsgHdrs | undefined): boolean => headers?.has(operationHeader) ?? false;
