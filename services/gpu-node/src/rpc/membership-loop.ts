import { fromUnknown, type RetakeError } from "@retake/errors";
import type { NodeInfo, NodeRates } from "@retake/wire/membership";
import {
  decideLease,
  type Lease,
  type LeaseEffect,
  type LeaseEvent,
  noLease,
  wakeAtMs,
} from "../node/lease.js";
import type { CoordinatorLink } from "./coordinator-link.js";
import type { TaskBoard } from "./task-board.js";

const retryDelayMsMin = 200;
const retryDelayMsMax = 5_000;
/** Node's timers count no further. */
const timerMsMax = 2 ** 31 - 1;

export interface MembershipOptions {
  readonly link: CoordinatorLink;
  readonly board: TaskBoard;
  /** What the node says of itself. */
  readonly info: NodeInfo;
  readonly rates: () => NodeRates;
  readonly onRoundTrip: (durationMs: number) => void;
  readonly onJoined: (joined: { readonly natsServers: readonly string[] }) => void;
  readonly onDrainAsked: () => void;
  readonly onReason: (reason: string) => void;
  /** A clock that never goes back. */
  readonly nowMs: () => number;
}

/** Keeps the node's place in its cluster, as `node/lease.ts` decides. */
export class MembershipLoop {
  readonly #options: MembershipOptions;
  #lease: Lease;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  /** Settles with the first answer to a join; rejects if it can never succeed. */
  readonly joined: Promise<void>;
  #onJoined: () => void = () => {};
  #onRefused: (error: RetakeError) => void = () => {};

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#lease = noLease(options.nowMs());
    this.joined = new Promise((resolve, reject) => {
      this.#onJoined = resolve;
      this.#onRefused = reject;
    });
    this.joined.catch(() => undefined);
    this.#apply({ kind: "tick" });
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #apply(event: LeaseEvent): void {
    if (this.#isClosed) return;
    const nowMs = this.#options.nowMs();
    const decision = decideLease(this.#lease, event, { nowMs, retryDelayMsMin, retryDelayMsMax });
    this.#lease = decision.lease;
    if (decision.effects.length > 0 || event.kind === "failed" || event.kind === "joined") {
      this.#options.onReason(decision.reason);
    }
    for (const effect of decision.effects) this.#run(effect);
    clearTimeout(this.#timer);
    const delayMs = Math.min(timerMsMax, Math.max(0, wakeAtMs(this.#lease) - nowMs));
    this.#timer = setTimeout(() => this.#apply({ kind: "tick" }), delayMs);
  }

  #run(effect: LeaseEffect): void {
    const { board, onDrainAsked } = this.#options;
    if (effect.kind === "join") void this.#join();
    if (effect.kind === "heartbeat") void this.#heartbeat();
    if (effect.kind === "void-tasks") board.voidAll();
    if (effect.kind === "drain") onDrainAsked();
  }

  async #join(): Promise<void> {
    const { link, info, board, rates, nowMs, onJoined } = this.#options;
    const askedAtMs = nowMs();
    try {
      const answer = await link.join(info, rates());
      board.seeEpoch(answer.epoch);
      const { leaseDurationMs, heartbeatEveryMs } = answer;
      onJoined(answer);
      this.#apply({ kind: "joined", askedAtMs, leaseDurationMs, heartbeatEveryMs });
      this.#onJoined();
    } catch (thrown) {
      const error = fromUnknown(thrown, "joining");
      if (isFinal(error)) this.#onRefused(error);
      this.#apply({ kind: "failed", why: error.message });
    }
  }

  async #heartbeat(): Promise<void> {
    const { link, info, board, rates, nowMs, onRoundTrip } = this.#options;
    const { nodeId, incarnation } = info;
    const askedAtMs = nowMs();
    const taskIds = board.tasks.map(({ taskId }) => taskId);
    try {
      const request = { nodeId, incarnation, rates: rates(), taskIds };
      const { epoch, mustJoin, mustDrain } = await link.heartbeat(request);
      onRoundTrip(nowMs() - askedAtMs);
      board.seeEpoch(epoch);
      this.#apply({ kind: "heartbeat-answered", askedAtMs, mustJoin, mustDrain });
    } catch (thrown) {
      this.#apply({ kind: "failed", why: fromUnknown(thrown, "heartbeat").message });
    }
  }
}

/** A refusal that asking again does not change. */
function isFinal({ reason }: RetakeError): boolean {
  return reason === "protocol-mismatch" || reason === "bad-message" || reason === "not-allowed";
}
