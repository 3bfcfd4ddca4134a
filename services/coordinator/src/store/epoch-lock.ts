import { setTimeout as delay } from "node:timers/promises";
import { Code, RetakeError } from "@retake/errors";
import { claimLease, type Leader, type WatchedLease } from "./lease-claim.js";
import type { RecordStore, Write } from "./record-store.js";

/** Time that only moves forward, and waiting for it. */
export interface LockClock {
  nowMs(): number;
  /** Ends early, without an error, when the signal aborts. */
  wait(durationMs: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: LockClock = {
  nowMs: () => performance.now(),
  wait: async (durationMs, signal) => {
    await delay(durationMs, undefined, { signal }).catch(() => undefined);
  },
};

export interface EpochLockOptions {
  readonly leaseDurationMs: number;
  readonly clock?: LockClock;
  /** Knows from elsewhere that whoever holds the lease does not lead: then it is not waited for. */
  readonly isVacant?: (() => boolean) | undefined;
  /** Who wants to lead waits on; this is why. */
  readonly onUnavailable?: ((error: RetakeError) => void) | undefined;
}

/** Where the lease is: one record, written by compare-and-set. */
export type LeaderRecords = Pick<RecordStore<Leader>, "create" | "get" | "update">;

export interface AcquireOptions {
  /** Called once if the lease is lost before it is released; write nothing from then on. */
  readonly onLost: (reason: string) => void;
  readonly signal: AbortSignal;
}

export interface Leadership {
  readonly epoch: number;
  readonly reason: string;
  /** By this holder's clock, nobody else may have taken the lease yet. */
  isCurrent(): boolean;
  /** Gives the lease back, so that the next one need not wait for its end. */
  release(): Promise<void>;
}

export interface EpochLock {
  /**
   * Waits until this holder leads, however long, through outages of the store.
   *
   * @throws RetakeError stopped when the signal aborts
   */
  acquire(holder: string, options: AcquireOptions): Promise<Leadership>;
  current(): Promise<Leader | undefined>;
}

const leaderId = "leader";
const renewalsPerLease = 3;
/** More often than it is renewed: a takeover is late by as long as the last renewal was unseen. */
const pollsPerLease = 6;

/**
 * Leadership by a lease in a record store. The lease only says when to try; what keeps an old
 * leader out is its epoch, and the revision that every write compares.
 */
export function createEpochLock(leaders: LeaderRecords, options: EpochLockOptions): EpochLock {
  const { leaseDurationMs, clock = systemClock, isVacant = () => false, onUnavailable } = options;
  const pollEveryMs = leaseDurationMs / pollsPerLease;
  const leader = (holder: string, epoch: number): Leader => ({
    holder,
    epoch,
    leaseDurationMs,
    renewals: 0,
  });
  return {
    current: async () => (await leaders.get(leaderId))?.value,
    acquire: async (holder, { onLost, signal }) => {
      let watched: WatchedLease | undefined;
      while (!signal.aborted) {
        const found = await orUnavailable(() => leaders.get(leaderId), onUnavailable);
        if (found === unavailable) {
          await clock.wait(pollEveryMs, signal);
          continue;
        }
        const startMs = clock.nowMs();
        // Whoever asks does not lead, whatever an earlier answer that was lost has done.
        const vacant = isVacant() || found?.value.holder === holder;
        const claim = claimLease(watched, found, startMs, { pollEveryMs, isVacant: vacant });
        watched = claim.watched;
        if (claim.action !== "wait") {
          const value = leader(holder, claim.epoch);
          const write = await orUnavailable(
            () =>
              found === undefined
                ? leaders.create(leaderId, value)
                : leaders.update(leaderId, value, { revision: found.revision }),
            onUnavailable,
          );
          if (write !== unavailable && write.outcome === "written") {
            const held = { value, revision: write.revision, renewedMs: startMs };
            return lead({ leaders, clock, held, onLost, reason: claim.reason });
          }
        }
        // Whoever was faster, or a store that is away: neither changes at once.
        await clock.wait(claim.action === "wait" ? claim.waitMs : pollEveryMs, signal);
      }
      throw stopped();
    },
  };
}

interface Held {
  value: Leader;
  revision: number;
  renewedMs: number;
}

interface LeadOptions {
  readonly leaders: LeaderRecords;
  readonly clock: LockClock;
  readonly held: Held;
  readonly onLost: (reason: string) => void;
  readonly reason: string;
}

function lead({ leaders, clock, held, onLost, reason }: LeadOptions): Leadership {
  const ending = new AbortController();
  const renewing = renewUntilLost({ leaders, clock, held, signal: ending.signal }).then((lost) => {
    if (ending.signal.aborted) return;
    ending.abort();
    onLost(lost);
  });
  return {
    epoch: held.value.epoch,
    reason,
    isCurrent: () => !ending.signal.aborted && patienceMs(held) > clock.nowMs() - held.renewedMs,
    release: async () => {
      if (ending.signal.aborted) return;
      ending.abort();
      await renewing;
      const { revision } = held;
      // If somebody took over meanwhile there is nothing to give back: a conflict is fine.
      await leaders.update(leaderId, { ...held.value, holder: "" }, { revision });
    },
  };
}

/** How long without a renewal a holder still leads. Claimants are more patient than that. */
const patienceMs = ({ value }: Held): number => (2 * value.leaseDurationMs) / renewalsPerLease;

/** Renews, and says why it could not any more. */
async function renewUntilLost(
  options: Pick<LeadOptions, "leaders" | "clock" | "held"> & { readonly signal: AbortSignal },
): Promise<string> {
  const { leaders, clock, held, signal } = options;
  const { leaseDurationMs } = held.value;
  const renewEveryMs = leaseDurationMs / renewalsPerLease;
  for (;;) {
    await clock.wait(Math.max(0, held.renewedMs + renewEveryMs - clock.nowMs()), signal);
    if (signal.aborted) return "released";
    const startMs = clock.nowMs();
    const value = { ...held.value, renewals: held.value.renewals + 1 };
    const leftMs = held.renewedMs + patienceMs(held) - startMs;
    if (leftMs <= 0) return notRenewed(startMs - held.renewedMs);
    const write = await within(leftMs, clock, () =>
      orUnavailable(() => leaders.update(leaderId, value, { revision: held.revision })),
    ).catch((thrown: unknown) => ({ outcome: "conflict", reason: messageOf(thrown) }) as const);
    if (write === "too-late") return notRenewed(clock.nowMs() - held.renewedMs);
    if (write === unavailable) {
      await clock.wait(renewEveryMs / renewalsPerLease, signal);
      continue;
    }
    if (write.outcome === "conflict") return `the lease is another's: ${write.reason}`;
    Object.assign(held, { value, revision: write.revision, renewedMs: startMs });
  }
}

const messageOf = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message : String(thrown);

const notRenewed = (durationMs: number): string =>
  `the lease could not be renewed for ${Math.round(durationMs)} ms`;

const stopped = (): RetakeError =>
  new RetakeError(Code.Canceled, "stopped", "waiting for the leadership: stopped");

const unavailable = Symbol("the store does not answer");

async function orUnavailable<Result extends Write | object | undefined>(
  ask: () => Promise<Result>,
  onUnavailable?: (error: RetakeError) => void,
): Promise<Result | typeof unavailable> {
  try {
    return await ask();
  } catch (thrown) {
    if (thrown instanceof RetakeError && thrown.code === Code.Unavailable) {
      onUnavailable?.(thrown);
      return unavailable;
    }
    throw thrown;
  }
}

/** The answer, or "too-late" if it does not come in time: a request may hang with its server. */
async function within<Result>(
  durationMs: number,
  clock: LockClock,
  ask: () => Promise<Result>,
): Promise<Result | "too-late"> {
  const answered = new AbortController();
  const timeout = clock.wait(durationMs, answered.signal).then(() => "too-late" as const);
  try {
    return await Promise.race([ask(), timeout]);
  } finally {
    answered.abort();
  }
}
