import { DiscardPolicy } from "@nats-io/jetstream";
import { type EventLog, encodeLine } from "./event-log.js";
import type { LogOptions } from "./jetstream-commits.js";
import { type JetStreamAccess, publish } from "./jetstream-requests.js";
import { ensureStream, messagesOf, purgeSubject } from "./jetstream-streams.js";
import { eventsBytesMax, eventsPerEditMax } from "./limits.js";
import { assertStoreId } from "./store-id.js";

/** Event lines in a stream, one subject per edit; the server drops the oldest. */
export async function openJetStreamEvents(
  access: JetStreamAccess,
  { stream, subjectPrefix, replicas }: LogOptions,
): Promise<EventLog> {
  await ensureStream(access, {
    name: stream,
    subjects: [`${subjectPrefix}.*`],
    num_replicas: replicas,
    max_bytes: eventsBytesMax,
    max_msgs_per_subject: eventsPerEditMax,
    discard: DiscardPolicy.Old,
    allow_direct: false,
  });
  const subjectOf = (editId: string) => {
    assertStoreId(editId);
    return `${subjectPrefix}.${editId}`;
  };
  return {
    append: async (editId, { line }) => {
      await publish(access, { stream, subject: subjectOf(editId), bytes: encodeLine(line) });
    },
    read: async (editId, { limit = eventsPerEditMax } = {}) => {
      const lines: string[] = [];
      for await (const message of messagesOf(access, { stream, subject: subjectOf(editId) })) {
        lines.push(new TextDecoder().decode(message.data));
      }
      return lines.slice(-Math.max(1, limit));
    },
    purge: (editId) => purgeSubject(access, { stream, subject: subjectOf(editId) }),
  };
}
