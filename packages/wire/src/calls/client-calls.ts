import type {
  CallOptions,
  ClientDuplexStream,
  ClientReadableStream,
  ClientUnaryCall,
  ClientWritableStream,
  Metadata,
  ServiceError,
} from "@grpc/grpc-js";
import type { RetakeError } from "@retake/errors";
import { type CallSettings, callArguments, callError, cancelOnAbort } from "./call-settings.js";
import { send } from "./send.js";

type Answer<Response> = (error: ServiceError | null, response: Response) => void;

/**
 * Asks for one answer.
 *
 *     const { edit } = await callUnary(client.get.bind(client), { id }, { subject: "get" })
 *
 * @throws RetakeError  the server's own; `unreachable`, `deadline-passed`, `stopped`
 */
export async function callUnary<Request, Response>(
  method: (
    request: Request,
    metadata: Metadata,
    options: CallOptions,
    answer: Answer<Response>,
  ) => ClientUnaryCall,
  request: Request,
  settings: CallSettings,
): Promise<Response> {
  const { metadata, options } = callArguments(settings, "unary");
  return new Promise((resolve, reject) => {
    const call = method(request, metadata, options, (error, response) => {
      if (error === null) resolve(response);
      else reject(callError(error, settings));
    });
    cancelOnAbort(call, settings);
  });
}

/**
 * Reads a stream of answers; the server waits while the reader does. Ending the loop early ends
 * the call.
 *
 * @throws RetakeError  as `callUnary`
 */
export async function* readStream<Request, Response>(
  method: (
    request: Request,
    metadata: Metadata,
    options: CallOptions,
  ) => ClientReadableStream<Response>,
  request: Request,
  settings: CallSettings,
): AsyncGenerator<Response, void, undefined> {
  const { metadata, options } = callArguments(settings, "stream");
  const call = method(request, metadata, options);
  cancelOnAbort(call, settings);
  yield* responsesOf(call, settings);
}

/**
 * Sends a stream of messages for one answer; reads no further message than there is room for.
 *
 * @throws RetakeError  as `callUnary`, and what `requests` throws
 */
export async function sendStream<Request, Response>(
  method: (
    metadata: Metadata,
    options: CallOptions,
    answer: Answer<Response>,
  ) => ClientWritableStream<Request>,
  requests: AsyncIterable<Request> | Iterable<Request>,
  settings: CallSettings,
): Promise<Response> {
  const { metadata, options } = callArguments(settings, "stream");
  let isOver = false;
  const { call, answer } = started<Request, Response>((onAnswer) =>
    method(metadata, options, (error, response) => {
      isOver = true;
      onAnswer(error === null ? { response } : { error: callError(error, settings) });
    }),
  );
  cancelOnAbort(call, settings);
  const sending = { subject: settings.subject, isOver: () => isOver };
  try {
    for await (const request of requests) {
      // What ends the call early is told by its answer.
      if (isOver || !(await isSent(send(call, request, sending)))) break;
    }
    call.end();
    const { error, response } = await answer;
    if (error !== undefined) throw error;
    return response;
  } finally {
    if (!isOver) call.cancel();
  }
}

type Answered<Response> =
  | { readonly error: RetakeError; readonly response?: undefined }
  | { readonly error?: undefined; readonly response: Response };

/** A call whose answer is a promise that never rejects: it may come before anybody waits for it. */
function started<Request, Response>(
  start: (onAnswer: (answered: Answered<Response>) => void) => ClientWritableStream<Request>,
): { call: ClientWritableStream<Request>; answer: Promise<Answered<Response>> } {
  let onAnswer: ((answered: Answered<Response>) => void) | undefined;
  const answer = new Promise<Answered<Response>>((resolve) => {
    onAnswer = resolve;
  });
  return { call: start((answered) => onAnswer?.(answered)), answer };
}

const isSent = (sending: Promise<void>): Promise<boolean> =>
  sending.then(
    () => true,
    () => false,
  );

/** Both ends of a call that goes both ways. */
export interface BidiCall<Request, Response> {
  /** Resolves when there is room for the next one. */
  send(request: Request): Promise<void>;
  /** No more requests. */
  end(): void;
  cancel(): void;
  /** To be read once. Ends with the call; throws what the call failed with. */
  readonly responses: AsyncIterable<Response>;
}

/** Opens a call that goes both ways. */
export function openBidi<Request, Response>(
  method: (metadata: Metadata, options: CallOptions) => ClientDuplexStream<Request, Response>,
  settings: CallSettings,
): BidiCall<Request, Response> {
  const canceled = new AbortController();
  const given = settings.signal === undefined ? [] : [settings.signal];
  const signal = AbortSignal.any([canceled.signal, ...given]);
  const { metadata, options } = callArguments(settings, "stream");
  const call = method(metadata, options);
  cancelOnAbort(call, { ...settings, signal });
  let isOver = false;
  call.on("status", () => {
    isOver = true;
  });
  // A failure is told by `responses`; nobody else listens once their loop has ended.
  call.on("error", () => undefined);
  return {
    send: (request) => send(call, request, { subject: settings.subject, isOver: () => isOver }),
    end: () => call.end(),
    cancel: () => canceled.abort(),
    responses: responsesOf(call, { ...settings, signal }),
  };
}

async function* responsesOf<Response>(
  call: ClientReadableStream<Response> | ClientDuplexStream<never, Response>,
  settings: CallSettings,
): AsyncGenerator<Response, void, undefined> {
  // After an early end of the loop, the call still tells that it was canceled.
  call.on("error", () => undefined);
  try {
    for await (const response of call.iterator({ destroyOnReturn: false })) {
      yield response as Response;
    }
  } catch (thrown) {
    throw callError(thrown, settings);
  } finally {
    call.cancel();
  }
}
