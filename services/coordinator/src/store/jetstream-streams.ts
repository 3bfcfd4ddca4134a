import {
  JetStreamApiCodes,
  JetStreamApiError,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from "@nats-io/jetstream";
import { type JetStreamAccess, readMessage, retried } from "./jetstream-requests.js";

/** Makes the stream if it is not there, and gives it as many replicas as it should have. */
export async function ensureStream(
  access: JetStreamAccess,
  config: Partial<StreamConfig> & { readonly name: string },
): Promise<void> {
  await retried(access, `stream ${config.name}`, async () => {
    const found = await streamInfo(access, config.name);
    if (found === undefined) {
      await access.jsm.streams.add({ ...config, storage: StorageType.File });
      return;
    }
    const replicas = config.num_replicas ?? 1;
    if (found.config.num_replicas === replicas) return;
    await access.jsm.streams.update(config.name, { num_replicas: replicas });
  });
}

async function streamInfo({ jsm }: JetStreamAccess, name: string): Promise<StreamInfo | undefined> {
  try {
    return await jsm.streams.info(name);
  } catch (thrown) {
    const isMissing =
      thrown instanceof JetStreamApiError && thrown.code === JetStreamApiCodes.StreamNotFound;
    if (isMissing) return undefined;
    throw thrown;
  }
}

/** A subject's messages, oldest first, from the stream's leader: nothing acknowledged is missed. */
export async function* messagesOf(
  access: JetStreamAccess,
  { stream, subject }: { readonly stream: string; readonly subject: string },
) {
  for (let seq = 1; ; ) {
    const message = await readMessage(access, stream, { seq, next_by_subj: subject });
    if (message === null) return;
    yield message;
    seq = message.seq + 1;
  }
}

export async function purgeSubject(
  access: JetStreamAccess,
  { stream, subject }: { readonly stream: string; readonly subject: string },
): Promise<void> {
  await retried(access, `purge of ${subject}`, () =>
    access.jsm.streams.purge(stream, { filter: subject }),
  );
}
