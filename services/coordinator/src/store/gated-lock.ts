import type { AcquireOptions, EpochLock, Leadership } from "./epoch-lock.js";

/**
 * Leadership of whoever holds two leases. The gate decides who may try; the lock behind it gives
 * the epoch, which is what fences: it is taken at once, because the gate says that nobody else
 * leads. Whoever loses either has lost both.
 *
 * A holder that was paused for longer than the gate's lease knows it by its own clock, and then
 * waits for the inner lease like everybody.
 *
 * @param lockBehind  the inner lock; `isVacant` is for its options
 */
export function createGatedLock(
  gate: EpochLock,
  lockBehind: (isVacant: () => boolean) => EpochLock,
): EpochLock {
  return {
    current: () => lockBehind(() => false).current(),
    acquire: async (holder, options) => {
      for (;;) {
        const lost = new AbortController();
        const onLost = (reason: string): void => lost.abort(reason);
        const gateHeld = await gate.acquire(holder, { onLost, signal: options.signal });
        const lock = lockBehind(() => gateHeld.isCurrent());
        const leadership = await acquireBehind(
          { lock, gateHeld, lost: lost.signal },
          holder,
          options,
        );
        if (leadership !== undefined) return leadership;
      }
    },
  };
}

interface Behind {
  readonly lock: EpochLock;
  readonly gateHeld: Leadership;
  readonly lost: AbortSignal;
}

/** @returns undefined where the gate was lost meanwhile */
async function acquireBehind(
  { lock, gateHeld, lost }: Behind,
  holder: string,
  { onLost, signal }: AcquireOptions,
): Promise<Leadership | undefined> {
  let hasEnded = false;
  const end = (reason: string): void => {
    if (hasEnded) return;
    hasEnded = true;
    onLost(reason);
  };
  let held: Leadership;
  try {
    held = await lock.acquire(holder, { onLost: end, signal: AbortSignal.any([signal, lost]) });
  } catch (thrown) {
    if (lost.aborted && !signal.aborted) return undefined;
    await gateHeld.release();
    throw thrown;
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
    await release();
    return undefined;
  }
  lost.addEventListener("abort", () => end(String(lost.reason)), { once: true });
  const isCurrent = (): boolean => gateHeld.isCurrent() && held.isCurrent();
  return { epoch, reason: `${gateHeld.reason}; ${reason}`, isCurrent, release };
}
