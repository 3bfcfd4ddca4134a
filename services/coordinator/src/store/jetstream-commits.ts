import { DiscardPolicy } from "@nats-io/jetstream";
import type { Codec } from "./codec.js";
import { appendProblem, type Commit, type CommitHead, type CommitLog } from "./commit-log.js";
import { type JetStreamAccess, publish, readMessage } from "./jetstream-requests.js";
import { ensureStream, messagesOf, purgeSubject } from "./jetstream-streams.js";
import { commitsBytesMax, fenceAttemptsMax } from "./limits.js";
import { fenceConflict } from "./memory-logs.js";
import type { Write } from "./record-store.js";
import { assertStoreId } from "./store-id.js";
import { assertValueSize } from "./value-size.js";

export interface LogOptions {
  readonly stream: string;
  /** Subjects are this and the edit's id. */
  readonly subjectPrefix: string;
  readonly replicas: 1 | 3;
}

interface OpenLog<Record> {
  readonly access: JetStreamAccess;
  readonly codec: Codec<Record>;
  readonly stream: string;
  readonly subjectOf: (editId: string) => string;
}

const epochHeader = "Retake-Epoch";
/** On a message that commits nothing: it repeats the last record, so that it tells the head too. */
const fenceHeader = "Retake-Fence";

/** Commit records in a stream, one subject per edit; the sequence expected last is the fence. */
export async function openJetStreamCommits<Record extends Commit>(
  access: JetStreamAccess,
  codec: Codec<Record>,
  { stream, subjectPrefix, replicas }: LogOptions,
): Promise<CommitLog<Record>> {
  await ensureStream(access, {
    name: stream,
    subjects: [`${subjectPrefix}.*`],
    num_replicas: replicas,
    max_bytes: commitsBytesMax,
    discard: DiscardPolicy.New,
    allow_direct: false,
  });
  const subjectOf = (editId: string) => {
    assertStoreId(editId);
    return `${subjectPrefix}.${editId}`;
  };
  const log: OpenLog<Record> = { access, codec, stream, subjectOf };
  return {
    head: (editId) => headOf(log, editId),
    append: (record, options) => append(log, record, options),
    fence: (editId, options) => fence(log, editId, options),
    read: async (editId, { fromStep = 0 } = {}) => {
      const records: Record[] = [];
      for await (const message of messagesOf(access, { stream, subject: subjectOf(editId) })) {
        if (message.header.has(fenceHeader)) continue;
        const record = codec.decode(message.data);
        if (record.step >= fromStep) records.push(record);
      }
      return records;
    },
    purge: (editId) => purgeSubject(access, { stream, subject: subjectOf(editId) }),
  };
}

async function headOf<Record extends Commit>(
  { access, codec, stream, subjectOf }: OpenLog<Record>,
  editId: string,
): Promise<CommitHead<Record>> {
  const message = await readMessage(access, stream, { last_by_subj: subjectOf(editId) });
  if (message === null) return { revision: 0, epoch: 0, last: undefined };
  return {
    revision: message.seq,
    epoch: Number(message.header.get(epochHeader)),
    last: message.data.length === 0 ? undefined : codec.decode(message.data),
  };
}

async function append<Record extends Commit>(
  log: OpenLog<Record>,
  record: Record,
  { after }: { readonly after: number },
): Promise<Write> {
  const subject = log.subjectOf(record.editId);
  const bytes = log.codec.encode(record);
  assertValueSize(`commit of edit ${record.editId}`, bytes);
  // What the head forbids is known from the message that the write compares with.
  const problem = appendProblem(await headOf(log, record.editId), record, { after });
  if (problem !== undefined) return { outcome: "conflict", reason: problem };
  const written = await publish(log.access, {
    stream: log.stream,
    subject,
    bytes,
    expected: after,
    headers: { [epochHeader]: String(record.epoch) },
  });
  if (written.outcome === "written") return written;
  const head = await headOf(log, record.editId);
  const reason = appendProblem(head, record, { after }) ?? "the log changed meanwhile";
  return { outcome: "conflict", reason };
}

async function fence<Record extends Commit>(
  log: OpenLog<Record>,
  editId: string,
  { epoch }: { readonly epoch: number },
): ReturnType<CommitLog<Record>["fence"]> {
  for (let attempt = 0; attempt < fenceAttemptsMax; attempt++) {
    const head = await headOf(log, editId);
    if (head.epoch > epoch) return fenceConflict(editId, { epoch, foundEpoch: head.epoch });
    if (head.epoch === epoch) return { outcome: "fenced", head };
    const written = await publish(log.access, {
      stream: log.stream,
      subject: log.subjectOf(editId),
      bytes: head.last === undefined ? new Uint8Array() : log.codec.encode(head.last),
      expected: head.revision,
      headers: { [epochHeader]: String(epoch), [fenceHeader]: "1" },
    });
    if (written.outcome === "conflict") continue;
    return { outcome: "fenced", head: { ...head, epoch, revision: written.revision } };
  }
  const reason = `log of edit ${editId}: another coordinator kept committing`;
  return { outcome: "conflict", reason };
}
