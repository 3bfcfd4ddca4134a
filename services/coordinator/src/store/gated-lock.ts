import { Code, RetakeError } from "@retake/errors";
import type { AcquireOptions, EpochLock, Leadership, LockClock } from "./epoch-lock.js";

export interface GatedLockOptions {
  readonly gate: EpochLock;
  /** The inner lock; `isVacant` is for its options. */
  readonly lockBehind: (isVacant: () => boolean) => EpochLock;
  readonly clock: LockClock;
  /** Whoever holds the gate, and does not get what is behind it, lets others try after as long. */
  readonly patienceMs: number;
}

/**
 * Leadership of whoever holds two leases. The gate decides who may try; the lock behind it gives
 * the epoch, which is what fences: it is taken at once, because the gate says that nobody else
 * leads. Whoever loses either has lost both.
 *
 * A holder that was paused for longer than the gate's lease knows it by its own clock, and then
 * waits for the inner lease like everybody. One that does not reach what is behind the gate keeps
 * away from it.
 */
export function createGatedLock(options: GatedLockOptions): EpochLock {
  const { gate, lockBehind } = options;
  const reached = lockBehind(() => false);
  return {
    current: () => reached.current(),
    acquire: async (holder, { onLost, signal }) => {
      for (;;) {
        await untilReached(reached, options, signal);
        const lost = new AbortController();
        const gateHeld = await gate.acquire(holder, {
          onLost: (reason) => lost.abort(reason),
          signal,
        });
        const behind = { ...options, gateHeld, lost: lost.signal };
        const leadership = await acquireBehind(behind, holder, { onLost, signal });
        if (leadership !== undefined) return leadership;
      }
    },
  };
}

async function untilReached(
  lock: EpochLock,
  { clock, patienceMs }: GatedLockOptions,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await lock.current();
      return;
    } catch (thrown) {
      if (!(thrown instanceof RetakeError) || thrown.code !== Code.Unavailable) throw thrown;
      await clock.wait(patienceMs, signal);
    }
  }
}

interface Behind extends GatedLockOptions {
  readonly gateHeld: Leadership;
  readonly lost: AbortSignal;
}

/** @returns undefined where the gate was lost meanwhile, or what is behind it was not reached */
async function acquireBehind(
  { lockBehind, clock, patienceMs, gateHeld, lost }: Behind,
  holder: string,
  { onLost, signal }: AcquireOptions,
): Promise<Leadership | undefined> {
  let hasEnded = false;
  const end = (reason: string): void => {
    if (hasEnded) return;
    hasEnded = true;
    onLost(reason);
  };
  const done = new AbortController();
  const late = new AbortController();
  void clock.wait(patienceMs, done.signal).then(() => late.abort());
  let held: Leadership;
  try {
    const ends = AbortSignal.any([signal, lost, late.signal]);
    held = await lockBehind(() => gateHeld.isCurrent()).acquire(holder, {
      onLost: end,
      signal: ends,
    });
  } catch (thrown) {
    const isOver = late.signal.aborted || lost.aborted;
    await orRunsOut(gateHeld.release());
    if (isOver && !signal.aborted) return undefined;
    throw thrown;
  } finally {
    done.abort();
  }
  const { epoch, reason } = held;
  const release = async (): Promise<void> => {
    hasEnded = true;
    try {
      await held.release();
    } finally {
      await gateHeld.release();
    }
  };
  if (lost.aborted) {
    await orRunsOut(release());
    return undefined;
  }
  lost.addEventListener("abort", () => end(String(lost.reason)), { once: true });
  const isCurrent = (): boolean => gateHeld.isCurrent() && held.isCurrent();
  return { epoch, reason: `${gateHeld.reason}; ${reason}`, isCurrent, release };
}

/** A lease that cannot be given back, because its server is away, runs out by itself. */
async function orRunsOut(releasing: Promise<void>): Promise<void> {
  try {
    await releasing;
  } catch (thrown) {
    if (!(thrown instanceof RetakeError) || thrown.code !== Code.Unavailable) throw thrown;
  }
}
