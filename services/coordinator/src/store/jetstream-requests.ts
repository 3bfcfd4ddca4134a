import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  JetStreamError,
  type JetStreamManager,
  type StoredMsg,
} from "@nats-io/jetstream";
import { errors, headers } from "@nats-io/transport-node";
import { Code, RetakeError } from "@retake/errors";
import { retryPauseMs } from "./limits.js";

/** What the JetStream stores share. */
export interface JetStreamAccess {
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
  /** How long a write or a leader's read is tried. */
  readonly writeDeadlineMs: number;
  /** Of one try. */
  readonly attemptDurationMs: number;
}

const messageIdHeader = "Nats-Msg-Id";
/** The server keeps it with the message: which one of its subject a message was written after. */
const expectedHeader = "Nats-Expected-Last-Subject-Sequence";

/** Codes of the server's API, from its errors.json. */
const noRoomCodes: readonly number[] = [10023, 10028, 10047, 10122];
const storeFailedCode = 10077;
/** No suitable peers yet; a stream that is being found; a duplicate whose first is in process. */
const mayChangeCodes: readonly number[] = [10005, JetStreamApiCodes.StreamNotFound, 10158];
const replicasOnOneServerCode = 10074;

export interface PublishRequest {
  readonly stream: string;
  readonly subject: string;
  readonly bytes: Uint8Array;
  /** Sequence of the subject's last message; 0 if there must be none. */
  readonly expected?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Published =
  | { readonly outcome: "written"; readonly revision: number }
  | { readonly outcome: "conflict" };

/**
 * Publishes and waits until it is stored, trying again while a server is away. Every try carries
 * the same message id. When an answer was lost it stays open whether that try landed: a later try
 * that is refused as out of sequence then looks at what was written in that place.
 *
 * @throws RetakeError store-unavailable after the deadline; write-uncertain; disk-full
 */
export async function publish(
  access: JetStreamAccess,
  request: PublishRequest,
): Promise<Published> {
  const { subject, bytes, expected } = request;
  const messageId = randomUUID();
  let isUncertain = false;
  return retried(access, `write to ${subject}`, async () => {
    try {
      const h = headers();
      for (const [name, value] of Object.entries(request.headers ?? {})) h.set(name, value);
      const ack = await access.js.publish(subject, bytes, {
        headers: h,
        msgID: messageId,
        timeout: access.attemptDurationMs,
        ...(expected === undefined ? {} : { expect: { lastSubjectSequence: expected } }),
      });
      return writtenAs(ack.seq);
    } catch (thrown) {
      if (expected === undefined || !isWrongSequence(thrown)) {
        isUncertain = true;
        throw thrown;
      }
      if (!isUncertain) return { outcome: "conflict" };
      return lostTry(access, { ...request, expected }, messageId);
    }
  });
}

function writtenAs(revision: number): Published {
  // A server that still replicates the first try says "duplicate" without a number: ask again.
  if (revision === 0) throw new JetStreamError("the write is not yet stored");
  return { outcome: "written", revision };
}

/**
 * What became of a try whose answer was lost. The first message after the expected one is that try,
 * or was written in its place; unless so much followed that the subject's history does not reach
 * back so far.
 */
async function lostTry(
  access: JetStreamAccess,
  { stream, subject, expected }: PublishRequest & { readonly expected: number },
  messageId: string,
): Promise<Published> {
  const query = { seq: expected + 1, next_by_subj: subject };
  const next = await access.jsm.streams.getMessage(stream, query);
  // Another's write is not stored yet; or all was removed, and the deadline ends the asking.
  if (next === null) throw new JetStreamError("what was written meanwhile is not there");
  if (next.header.get(messageIdHeader) === messageId) return writtenAs(next.seq);
  if (next.header.get(expectedHeader) === String(expected)) return { outcome: "conflict" };
  const message =
    `write to ${subject}: expected its trace after revision ${expected}, got only revision ` +
    `${next.seq} and later; it may have been stored and overwritten: read the record again`;
  throw new RetakeError(Code.Unavailable, "write-uncertain", message);
}

const isWrongSequence = (thrown: unknown): boolean =>
  thrown instanceof JetStreamApiError &&
  (thrown.code === JetStreamApiCodes.StreamWrongLastSequence ||
    thrown.code === JetStreamApiCodes.StreamWrongLastSequenceUnknown);

/**
 * The message from the stream's leader. Direct gets are answered by any replica and may miss what
 * was just written.
 */
export function readMessage(
  access: JetStreamAccess,
  stream: string,
  query: { last_by_subj: string } | { seq: number; next_by_subj: string },
): Promise<StoredMsg | null> {
  return retried(access, `read of ${stream}`, () => access.jsm.streams.getMessage(stream, query));
}

/** Tries until it works, fails for good, or the deadline is over. */
export async function retried<Result>(
  { writeDeadlineMs: deadlineMs }: Pick<JetStreamAccess, "writeDeadlineMs">,
  subject: string,
  attempt: () => Promise<Result>,
): Promise<Result> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    try {
      return await attempt();
    } catch (thrown) {
      const error = storeError(thrown, subject);
      const mayComeBack = error.reason === "store-unavailable";
      if (!mayComeBack || performance.now() + retryPauseMs >= endMs) throw error;
    }
    await delay(retryPauseMs);
  }
}

/** What a NATS client throws, as a typed error; store-unavailable is worth another try. */
export function storeError(thrown: unknown, subject: string): RetakeError {
  if (thrown instanceof RetakeError) return thrown;
  const said = thrown instanceof Error ? thrown.message : String(thrown);
  const options = { cause: thrown };
  if (thrown instanceof JetStreamApiError && hasNoRoom(thrown)) {
    const message = `${subject}: expected room in the store, got "${said}"; free some (retake gc)`;
    return new RetakeError(Code.ResourceExhausted, "disk-full", message, options);
  }
  if (thrown instanceof JetStreamApiError && thrown.code === replicasOnOneServerCode) {
    const message = `${subject}: expected a cluster of 3 servers for 3 replicas, got one server`;
    return new RetakeError(Code.InvalidArgument, "bad-option", `${message}; ask for 1`, options);
  }
  const mayComeBack =
    thrown instanceof errors.TimeoutError ||
    thrown instanceof errors.RequestError ||
    thrown instanceof errors.ConnectionError ||
    isJetStreamNotEnabled(thrown) ||
    (thrown instanceof JetStreamApiError && mayChange(thrown)) ||
    (thrown instanceof JetStreamError && !(thrown instanceof JetStreamApiError));
  if (mayComeBack || thrown instanceof errors.ClosedConnectionError) {
    const message = `${subject}: expected an answer from NATS, got "${said}"; look at nats-server`;
    return new RetakeError(Code.Unavailable, "store-unavailable", message, options);
  }
  return new RetakeError(Code.Internal, "bug", `${subject}: ${said}`, options);
}

const hasNoRoom = ({ code, message }: JetStreamApiError): boolean =>
  noRoomCodes.includes(code) ||
  (code === storeFailedCode && /maximum|no space|insufficient/.test(message));

const mayChange = ({ code, status }: JetStreamApiError): boolean =>
  status >= 500 || mayChangeCodes.includes(code);

/** What the client throws when nobody answers for JetStream; it does not export the class. */
export const isJetStreamNotEnabled = (thrown: unknown): boolean =>
  thrown instanceof Error && thrown.name === "JetStreamNotEnabled";
