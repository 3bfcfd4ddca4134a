import type { KubeRequest, KubeResponse, KubeTransport } from "@retake/coordinator/kubernetes";
import { Code, RetakeError } from "@retake/errors";
import type { ApiAnswer, ApiState, WatchEvent } from "./api-state.js";
import { instant, type Journey } from "./journeys.js";
import type { Machine, VirtualTime } from "./virtual-time.js";

export interface LocalTransportOptions {
  readonly state: ApiState;
  readonly time: VirtualTime;
  readonly machine: Machine;
  readonly journey?: () => Journey;
  /** As a token file is: read once, and again when it was refused. */
  readonly readToken?: () => string;
}

/** The way to an `ApiState` within the process, on virtual time. */
export function createLocalTransport(options: LocalTransportOptions): KubeTransport {
  const { state, time, machine, journey = () => instant, readToken = () => "" } = options;
  let token = readToken();
  return {
    renewCredentials: () => {
      token = readToken();
    },
    send: async (request) => {
      const { mode, thereMs, backMs } = journey();
      await time.after(thereMs, request.signal);
      if (request.signal.aborted || mode === "away") throw gone(request, mode);
      if (mode === "silent") {
        await time.after(Number.POSITIVE_INFINITY, request.signal);
        throw gone(request, mode);
      }
      const { method, path, contentType, body } = request;
      const authorization = `Bearer ${token}`;
      const answer = state.handle({ method, path, contentType, body, authorization });
      await time.after(backMs, request.signal);
      await machine.awake();
      if (request.signal.aborted || mode === "deaf") throw gone(request, mode);
      const retryAfter = answer.headers?.["retry-after"];
      return {
        status: answer.status,
        retryAfterS: retryAfter === undefined ? undefined : Number(retryAfter),
        body:
          answer.watch === undefined
            ? wholeBody(JSON.stringify(answer.body))
            : watchBody(answer.watch, { machine, signal: request.signal }),
      } satisfies KubeResponse;
    },
  };
}

async function* wholeBody(text: string): AsyncIterable<string> {
  yield text;
}

async function* watchBody(
  watch: NonNullable<ApiAnswer["watch"]>,
  { machine, signal }: { readonly machine: Machine; readonly signal: AbortSignal },
): AsyncIterable<string> {
  const waiting: WatchEvent[] = [];
  let wake = (): void => {};
  let hasEnded = false;
  const stop = watch(
    (event) => {
      waiting.push(event);
      wake();
    },
    () => {
      hasEnded = true;
      wake();
    },
  );
  const onAbort = (): void => wake();
  signal.addEventListener("abort", onAbort);
  try {
    while (!signal.aborted) {
      await machine.awake();
      const event = waiting.shift();
      if (event !== undefined) yield `${JSON.stringify(event)}\n`;
      else if (hasEnded) return;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    stop();
  }
}

function gone({ method, path }: KubeRequest, mode: string): RetakeError {
  const message = `${method} ${path}: expected an answer of the API server, got none (${mode})`;
  return new RetakeError(Code.Unavailable, "kubernetes-unavailable", message);
}
