import { Code, RetakeError } from "@retake/errors";
import type { StreamContext } from "@retake/wire";
import { decodeTaskHeader, decodeTuningSettings } from "@retake/wire/decoders";
import type { TuneRequest, TuneResponse } from "@retake/wire/node";
import type { NodeContext } from "./node-context.js";
import { openExchange } from "./open-exchange.js";
import { splitFirst } from "./split-first.js";
import { TuneSession } from "./tune-session.js";
import { tuneSetting } from "./tune-state.js";

/** Takes part in a tuning until the coordinator says that it is over. */
export async function tuneTask(
  context: NodeContext,
  requests: AsyncIterable<TuneRequest>,
  stream: StreamContext<TuneResponse>,
): Promise<void> {
  const { first, rest } = await splitFirst(requests);
  const request = first?.request;
  if (request?.$case !== "start") throw noStart(request?.$case ?? "nothing");
  const task = decodeTaskHeader(request.value.task);
  const settings = decodeTuningSettings(request.value.settings);
  const { sourcePrompt, momentsIds } = request.value;
  await context.board.run(task, stream.signal, async (running) => {
    const { signal } = running;
    const start = { task, settings, sourcePrompt, momentsIds };
    const setting = await tuneSetting(context, start, signal);
    const exchange = await openExchange(context, setting, signal);
    const ended = untilEnded(signal);
    const session = new TuneSession(context, setting, {
      ...{ exchange, running, onFault: ended.end },
      send: (event) => stream.send({ event }),
    });
    context.tunings.set(task.editId, session);
    try {
      await Promise.race([handleAll(session, rest), ended.promise]);
    } finally {
      if (context.tunings.get(task.editId) === session) context.tunings.delete(task.editId);
      await session.close();
    }
  });
}

async function handleAll(
  session: TuneSession,
  requests: AsyncIterable<TuneRequest>,
): Promise<void> {
  // Not `for await`, which would end the stream of requests when the session is over.
  const iterator = requests[Symbol.asyncIterator]();
  for (;;) {
    const next = await iterator.next();
    if (next.done === true) throw noFinish();
    if (await session.handle(next.value)) return;
  }
}

/** Rejects when the signal is aborted, or with what it is told. */
function untilEnded(signal: AbortSignal): {
  readonly promise: Promise<never>;
  readonly end: (thrown: unknown) => void;
} {
  let end: (thrown: unknown) => void = () => {};
  const promise = new Promise<never>((_, reject) => {
    end = reject;
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    if (signal.aborted) reject(signal.reason);
  });
  // It may come before anybody waits for it.
  promise.catch(() => undefined);
  return { promise, end };
}

function noStart(got: string): RetakeError {
  const message = `tuning: expected a start first, got ${got}`;
  return new RetakeError(Code.InvalidArgument, "bad-message", message);
}

function noFinish(): RetakeError {
  const message = "tuning: expected to be finished, got the end of the requests";
  return new RetakeError(Code.Canceled, "stopped", message);
}
