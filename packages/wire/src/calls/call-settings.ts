import { type CallOptions, Metadata } from "@grpc/grpc-js";
import { Code, RetakeError } from "@retake/errors";
import { errorOfStatus } from "../failures/grpc-failure.js";

/** Until when a question is answered, or not at all. */
const unaryTimeoutMs = 10_000;
/** A stream may be a whole tuning; a dead peer is found by keepalive, not by this. */
const streamDurationMsMax = 24 * 3_600_000;

/** What a call needs besides its request. */
export interface CallSettings {
  /** What is being done, for messages: "joining 127.0.0.1:7000". */
  readonly subject: string;
  /** Default 10 s for one answer, 24 h for a stream. */
  readonly timeoutMs?: number | undefined;
  /** Ends the call. */
  readonly signal?: AbortSignal | undefined;
  readonly metadata?: Metadata | undefined;
}

interface CancellableCall {
  cancel(): void;
  /** Emitted once by every call of a client, however it ends. */
  on(event: "status", listener: () => void): unknown;
}

/** What every method of a client takes after its request. */
export interface CallArguments {
  readonly metadata: Metadata;
  readonly options: CallOptions;
}

export function callArguments(settings: CallSettings, kind: "unary" | "stream"): CallArguments {
  throwIfAborted(settings);
  const { metadata = new Metadata(), timeoutMs } = settings;
  const durationMs = timeoutMs ?? (kind === "unary" ? unaryTimeoutMs : streamDurationMsMax);
  return { metadata, options: { deadline: Date.now() + durationMs } };
}

/** Lets a signal end a call; the signal forgets the call once it is over. */
export function cancelOnAbort(call: CancellableCall, { signal }: CallSettings): void {
  const cancel = (): void => call.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  call.on("status", () => signal?.removeEventListener("abort", cancel));
}

/** The error of a call that failed: `stopped` if it was the caller who ended it. */
export function callError(thrown: unknown, settings: CallSettings): RetakeError {
  const { signal, subject } = settings;
  return signal?.aborted === true ? stopped(settings) : errorOfStatus(thrown, subject);
}

function throwIfAborted(settings: CallSettings): void {
  if (settings.signal?.aborted === true) throw stopped(settings);
}

function stopped({ subject, signal }: CallSettings): RetakeError {
  const options = { cause: signal?.reason };
  return new RetakeError(Code.Canceled, "stopped", `${subject}: stopped as asked`, options);
}
