import type { Readable, Writable } from "node:stream";
import type {
  handleBidiStreamingCall,
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerInterceptingCallInterface,
} from "@grpc/grpc-js";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import { statusOf } from "../failures/grpc-failure.js";
import type { Role } from "../tls/role.js";
import { roleOfCall } from "../tls/role-guard.js";
import { send } from "./send.js";
import { assertMessage } from "./typed-requests.js";

/** What a handler knows of its call. */
export interface CallContext {
  /** Aborted when the caller is gone, has canceled, or is tired of waiting. */
  readonly signal: AbortSignal;
  readonly metadata: Metadata;
  /** Of the caller, by its certificate; undefined without one, or without TLS. */
  readonly role: Role | undefined;
  /** host:port of the caller. */
  readonly peer: string;
}

/** The answers of a stream. */
export interface StreamContext<Response> extends CallContext {
  /** Resolves when there is room for the next one; throws `stopped` when nobody reads any more. */
  readonly send: (response: Response) => Promise<void>;
}

export interface HandlerOptions {
  /** The name of the method, for messages. */
  readonly subject: string;
  /** Told of every error before it is answered: for the log. */
  readonly onError?: ((error: RetakeError) => void) | undefined;
}

/** A call of any kind, as far as its context goes. */
interface ServedCall {
  readonly metadata: Metadata;
  readonly cancelled: boolean;
  getPeer(): string;
  getAuthContext(): ReturnType<ServerInterceptingCallInterface["getAuthContext"]>;
  on(event: "cancelled", listener: () => void): unknown;
}

/** Serves calls with one question and one answer. */
export function handleUnary<Request, Response>(
  handler: (request: Request, context: CallContext) => Promise<Response>,
  options: HandlerOptions,
): handleUnaryCall<Request, Response> {
  return (call, answer) => {
    const answered = async (): Promise<Response> => {
      assertMessage(call.request);
      return handler(call.request, contextOf(call, options));
    };
    void settled(answered, options).then((result) =>
      result.ok ? answer(null, result.value) : answer(result.status),
    );
  };
}

/** Serves calls with one question and a stream of answers. */
export function handleServerStream<Request, Response>(
  handler: (request: Request, context: StreamContext<Response>) => Promise<void>,
  options: HandlerOptions,
): handleServerStreamingCall<Request, Response> {
  return (call) => {
    const answered = async (): Promise<void> => {
      assertMessage(call.request);
      await handler(call.request, streamContextOf(call, options));
    };
    void settled(answered, options).then((result) => endStream(call, result));
  };
}

/** Serves calls with a stream of messages and one answer. */
export function handleClientStream<Request, Response>(
  handler: (requests: AsyncIterable<Request>, context: CallContext) => Promise<Response>,
  options: HandlerOptions,
): handleClientStreamingCall<Request, Response> {
  return (call, answer) => {
    const context = contextOf(call, options);
    const requests = requestsOf<Request>(call, { ...options, signal: context.signal });
    void settled(() => handler(requests, context), options).then((result) =>
      result.ok ? answer(null, result.value) : answer(result.status),
    );
  };
}

/** Serves calls that go both ways. */
export function handleBidi<Request, Response>(
  handler: (requests: AsyncIterable<Request>, context: StreamContext<Response>) => Promise<void>,
  options: HandlerOptions,
): handleBidiStreamingCall<Request, Response> {
  return (call) => {
    const context = streamContextOf<Response>(call, options);
    const requests = requestsOf<Request>(call, { ...options, signal: context.signal });
    void settled(() => handler(requests, context), options).then((result) =>
      endStream(call, result),
    );
  };
}

type Settled<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly status: ReturnType<typeof statusOf> };

async function settled<Value>(
  work: () => Promise<Value>,
  { subject, onError }: HandlerOptions,
): Promise<Settled<Value>> {
  try {
    return { ok: true, value: await work() };
  } catch (thrown) {
    const error = fromUnknown(thrown, subject);
    onError?.(error);
    return { ok: false, status: statusOf(error, subject) };
  }
}

function endStream(call: Writable, result: Settled<void>): void {
  if (result.ok) call.end();
  // gRPC's way to end a stream with a status; what was written before is sent first.
  else call.emit("error", result.status);
}

function contextOf(call: ServedCall, { subject }: HandlerOptions): CallContext {
  const controller = new AbortController();
  const stop = (): void => {
    const message = `${subject}: the caller has ended the call`;
    controller.abort(new RetakeError(Code.Canceled, "stopped", message));
  };
  if (call.cancelled) stop();
  else call.on("cancelled", stop);
  const { signal } = controller;
  return { signal, metadata: call.metadata, role: roleOfCall(call), peer: call.getPeer() };
}

function streamContextOf<Response>(
  call: ServedCall & Writable,
  options: HandlerOptions,
): StreamContext<Response> {
  const context = contextOf(call, options);
  const isOver = (): boolean => context.signal.aborted;
  return {
    ...context,
    send: (response) => send(call, response, { subject: options.subject, isOver }),
  };
}

async function* requestsOf<Request>(
  call: Readable,
  { subject, signal }: { readonly subject: string; readonly signal: AbortSignal },
): AsyncGenerator<Request, void, undefined> {
  try {
    for await (const request of call.iterator({ destroyOnReturn: false })) {
      assertMessage(request);
      yield request as Request;
    }
  } catch (thrown) {
    throw signal.aborted ? signal.reason : fromUnknown(thrown, subject);
  }
}
