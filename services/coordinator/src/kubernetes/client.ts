import { Code, RetakeError } from "@retake/errors";
import { type LockClock, systemClock } from "../store/epoch-lock.js";
import { bodyOf, errorOf, isOk, refusal } from "./answers.js";
import type { KubeRequest, KubeResponse, KubeTransport } from "./transport.js";

/** A call of one answer. */
export interface KubeCall {
  readonly method: KubeRequest["method"];
  /** `/api/v1/namespaces/retake/pods/gpu-node-0/status`, with its query */
  readonly path: string;
  readonly body?: object | undefined;
  /** How a PATCH is meant. Default merge. */
  readonly patch?: "merge" | "json" | undefined;
  /** All tries together. Default `callDeadlineMs` of the client. */
  readonly deadlineMs?: number | undefined;
}

/** What a watch tells; an error that it tells is thrown. */
export interface KubeEvent<Item> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: Item;
}

/** The API server as Retake calls it. */
export interface KubeClient {
  readonly clock: LockClock;
  /**
   * Calls, within a deadline: comes back when it is told to (429), and reads its credentials again
   * when they are refused (401). It repeats nothing whose outcome it does not know.
   *
   * @throws RetakeError  kubernetes-unavailable (away, too busy, too late), kubernetes-conflict
   *   (409: another was faster), kubernetes-missing (404), kubernetes-expired (410), not-allowed
   *   (401, 403), kubernetes-refused (all else that it does not take)
   */
  call<Answer>(call: KubeCall): Promise<Answer>;
  /**
   * Tells what happens from a resourceVersion on, until the server ends it.
   *
   * @param path  of a collection, with `watch=true` and the rest of its query
   * @throws RetakeError  as `call`; kubernetes-expired also in the middle
   */
  watch<Item>(path: string, signal: AbortSignal): AsyncIterable<KubeEvent<Item>>;
}

export interface KubeClientOptions {
  readonly transport: KubeTransport;
  /** Default: the process's own. */
  readonly clock?: LockClock | undefined;
  /** Default 10 s. */
  readonly callDeadlineMs?: number | undefined;
}

const callDeadlineMsDefault = 10_000;
/** Where 429 does not say when. */
const retryAfterMsDefault = 1000;

export function createKubeClient(options: KubeClientOptions): KubeClient {
  const { transport, clock = systemClock, callDeadlineMs = callDeadlineMsDefault } = options;
  return {
    clock,
    call: (call) => callWithin({ transport, clock }, call, call.deadlineMs ?? callDeadlineMs),
    watch: (path, signal) => watch(transport, path, signal),
  };
}

async function callWithin<Answer>(
  { transport, clock }: { readonly transport: KubeTransport; readonly clock: LockClock },
  call: KubeCall,
  deadlineMs: number,
): Promise<Answer> {
  const answered = new AbortController();
  const late = new AbortController();
  const request = requestOf(call, late.signal);
  const subject = `${call.method} ${call.path}`;
  const tooLate = clock.wait(deadlineMs, answered.signal).then(() => {
    late.abort();
    throw tooLateError(subject, deadlineMs);
  });
  const untilMs = clock.nowMs() + deadlineMs;
  const asking = ask(transport, request, (waitMs, response) => {
    if (clock.nowMs() + waitMs >= untilMs) return undefined;
    return leaveBody(response).then(() => clock.wait(waitMs, late.signal));
  });
  try {
    return decoded<Answer>(subject, await Promise.race([asking, tooLate]));
  } finally {
    answered.abort();
    asking.catch(() => undefined);
    tooLate.catch(() => undefined);
  }
}

/** Asks until there is an answer; `pause` gives undefined where there is no time left to wait. */
async function ask(
  transport: KubeTransport,
  request: KubeRequest,
  pause: (waitMs: number, response: KubeResponse) => Promise<void> | undefined,
): Promise<string> {
  for (;;) {
    const response = await sendRenewed(transport, request);
    if (isOk(response)) return bodyOf(response);
    const { retryAfterS } = response;
    const waitMs = retryAfterS === undefined ? retryAfterMsDefault : retryAfterS * 1000;
    const pausing = response.status === 429 ? pause(waitMs, response) : undefined;
    if (pausing === undefined) throw await errorOf(request, response);
    await pausing;
  }
}

/** Sends, and once more with credentials that were read again, where those in use are refused. */
async function sendRenewed(transport: KubeTransport, request: KubeRequest): Promise<KubeResponse> {
  const response = await transport.send(request);
  if (response.status !== 401) return response;
  await leaveBody(response);
  transport.renewCredentials();
  return transport.send(request);
}

async function* watch<Item>(
  transport: KubeTransport,
  path: string,
  signal: AbortSignal,
): AsyncIterable<KubeEvent<Item>> {
  const request: KubeRequest = { method: "GET", path, signal };
  const response = await sendRenewed(transport, request);
  if (!isOk(response)) throw await errorOf(request, response);
  let rest = "";
  for await (const piece of response.body) {
    const lines = `${rest}${piece}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const { type, object } = JSON.parse(line);
      if (type === "ERROR") {
        throw refusal(request, { status: object.code, text: object.message });
      }
      yield { type, object };
    }
  }
}

function requestOf({ method, path, body, patch = "merge" }: KubeCall, signal: AbortSignal) {
  const plain = body === undefined ? undefined : "application/json";
  const contentType = method === "PATCH" ? `application/${patch}-patch+json` : plain;
  const text = body === undefined ? undefined : JSON.stringify(body);
  return { method, path, contentType, body: text, signal };
}

/** An answer that is not read to its end would keep its connection. */
async function leaveBody(response: KubeResponse): Promise<void> {
  await bodyOf(response);
}

function decoded<Answer>(subject: string, text: string): Answer {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = `${subject}: expected JSON, got ${text.length} characters of something else`;
    throw new RetakeError(Code.Unavailable, "kubernetes-unavailable", message, { cause });
  }
}

function tooLateError(subject: string, deadlineMs: number): RetakeError {
  const message = `${subject}: expected an answer within ${deadlineMs} ms, got none`;
  return new RetakeError(Code.Unavailable, "kubernetes-unavailable", message);
}
