import { setTimeout as sleep } from "node:timers/promises";
import { errors, type Msg } from "@nats-io/transport-node";
import { RetakeError } from "@retake/errors";
import { decodeShardFrame, encodeShardRequest, type ReceivedShard } from "@retake/wire/exchange";
import { frameVerdict, requestOf } from "./frame-verdict.js";
import type { ExchangeLimits } from "./limits.js";
import type { ExchangeCounter, ShardConnection } from "./shard-connection.js";
import type { Pull, StepState } from "./step-state.js";

/** Why a step cannot be finished; a suspect is a guess of this member's, for the coordinator. */
export interface StepFailure {
  readonly suspectNodeId: string | undefined;
  readonly reason: string;
}

export interface PullContext {
  /** Undefined where there is no peer. */
  readonly connection: ShardConnection | undefined;
  readonly jobKey: Uint8Array;
  readonly limits: ExchangeLimits;
  readonly counter: ExchangeCounter;
  /** Ends all pulls of the step. */
  readonly signal: AbortSignal;
  readonly subjectOf: (nodeId: string) => string;
  /** Called, each of them, when answers may have been lost: a request that waits is in it. */
  readonly askAgain: Set<() => void>;
  readonly onPending: (pull: Pull) => void;
}

/** A frame that is what was asked for; how it failed; or neither, because the step has ended. */
export type PullResult =
  | { readonly kind: "taken"; readonly received: ReceivedShard }
  | { readonly kind: "failed"; readonly failure: StepFailure }
  | { readonly kind: "ended" };

type Reply =
  | { readonly kind: "frame"; readonly message: Msg }
  | { readonly kind: "lost" | "silent" | "absent" | "closed" | "ended" };

/** What went wrong so far with one piece. */
interface Tries {
  silences: number;
  refusals: number;
  absentSinceMs: number | undefined;
}

const ended = { kind: "ended" } as const;
const failed = (suspectNodeId: string | undefined, reason: string): PullResult => ({
  ...{ kind: "failed", failure: { suspectNodeId, reason } },
});

/**
 * Asks a peer for a piece until it has it. A peer that holds the request says so in time; one that
 * says nothing, is not subscribed, or sends other things than asked for, fails the step.
 */
export async function pullPiece(
  state: StepState,
  pull: Pull,
  context: PullContext,
): Promise<PullResult> {
  const tries: Tries = { silences: 0, refusals: 0, absentSinceMs: undefined };
  for (;;) {
    const reply = await ask(state, pull, context);
    if (reply.kind === "ended" || context.signal.aborted) return ended;
    if (reply.kind === "lost") continue;
    if (reply.kind === "closed") return failed(undefined, "the connection to NATS is closed");
    const result =
      reply.kind === "frame"
        ? onFrame(judge(state, reply.message, { pull, context }), { pull, context, tries })
        : await onNothing(reply.kind, { pull, context, tries });
    if (result !== undefined) return result;
  }
}

interface Asking {
  readonly pull: Pull;
  readonly context: PullContext;
  readonly tries: Tries;
}

/** What an answer comes to; undefined to ask again. */
function onFrame(judged: Judged, { pull, context, tries }: Asking): PullResult | undefined {
  const { peerId } = pull;
  const { counter, limits } = context;
  tries.silences = 0;
  tries.absentSinceMs = undefined;
  if (judged.kind === "take") return { kind: "taken", received: judged.received };
  const reason = `${peerId}: ${judged.reason}`;
  if (judged.kind === "stale") return failed(undefined, reason);
  if (judged.kind === "again") {
    counter.add("framesPending");
    context.onPending(pull);
    return undefined;
  }
  counter.add("framesRefused");
  tries.refusals += 1;
  return tries.refusals < limits.refusalsMax ? undefined : failed(peerId, reason);
}

/** What the lack of an answer comes to; undefined to ask again. */
async function onNothing(
  kind: "silent" | "absent",
  { pull, context, tries }: Asking,
): Promise<PullResult | undefined> {
  const { peerId } = pull;
  const { counter, limits } = context;
  if (kind === "absent") {
    tries.absentSinceMs ??= performance.now();
    const absentMs = performance.now() - tries.absentSinceMs;
    if (absentMs >= limits.absenceDurationMs) return failed(peerId, `${peerId}: not subscribed`);
    await pause(context);
    return undefined;
  }
  counter.add("silences");
  // Its silence says nothing while nobody can be heard.
  if (await isLinkUp(context)) tries.silences += 1;
  else await pause(context);
  if (tries.silences < limits.silencesMax) return undefined;
  return failed(peerId, `${peerId}: no answer within ${limits.answerDurationMs} ms`);
}

type Judged =
  | { readonly kind: "take"; readonly received: ReceivedShard }
  | { readonly kind: "again" | "stale" | "refuse"; readonly reason: string };

function judge(
  state: StepState,
  { data }: Msg,
  { pull, context }: Pick<Asking, "pull" | "context">,
): Judged {
  try {
    const received = decodeShardFrame(data, context.jobKey);
    const { kind, reason } = frameVerdict(state, pull, received);
    return kind === "take" ? { kind, received } : { kind, reason };
  } catch (thrown) {
    if (thrown instanceof RetakeError) return { kind: "refuse", reason: thrown.message };
    throw thrown;
  }
}

async function ask(state: StepState, pull: Pull, context: PullContext): Promise<Reply> {
  const { connection, jobKey, limits, signal, subjectOf, askAgain } = context;
  if (signal.aborted) return ended;
  if (connection === undefined || connection.isClosed()) return { kind: "closed" };
  const request = encodeShardRequest(requestOf(state, pull), jobKey);
  const timeout = limits.answerDurationMs;
  try {
    const asked = connection.request(subjectOf(pull.peerId), request, { timeout });
    const answer = orAskedAgain(
      asked.then((message): Reply => ({ kind: "frame", message })),
      askAgain,
    );
    return (await untilAborted(answer, signal)) ?? ended;
  } catch (thrown) {
    if (thrown instanceof errors.RequestError && thrown.isNoResponders()) return { kind: "absent" };
    // Whatever else happens to a request (its time is up, the link is lost) is no answer.
    return { kind: "silent" };
  }
}

/** The answer, or that it may have been lost with the connection. */
function orAskedAgain(answer: Promise<Reply>, askAgain: Set<() => void>): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const again = (): void => resolve({ kind: "lost" });
    askAgain.add(again);
    answer.then(resolve, reject).finally(() => askAgain.delete(again));
  });
}

/** Whether the server answers: else a peer's silence may be ours. */
async function isLinkUp({ connection, limits, signal }: PullContext): Promise<boolean> {
  if (connection === undefined || connection.isClosed()) return false;
  const flushed = connection.flush().then(
    () => true,
    () => false,
  );
  const late = sleep(limits.answerDurationMs, false, { ref: false });
  return (await untilAborted(Promise.race([flushed, late]), signal)) ?? false;
}

async function pause({ limits, signal }: PullContext): Promise<void> {
  await untilAborted(sleep(limits.absencePauseMs), signal);
}

/**
 * What a promise gives, or undefined once the signal is aborted. Not `Promise.race` with one
 * promise for the whole step: that would keep every answer until the step ends.
 */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => resolve(undefined);
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
