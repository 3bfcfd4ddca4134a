import {
  createEpochLock,
  type EpochLock,
  type EpochLockOptions,
  type LeaderRecords,
  systemClock,
} from "../store/epoch-lock.js";
import { createGatedLock } from "../store/gated-lock.js";

/** No answer, of either server, is waited for longer than such a part of a lease. */
export const callsPerLease = 3;

export interface KubeLockOptions extends EpochLockOptions {
  /** Of the Lease: `createKubeLeaseRecords`. */
  readonly lease: LeaderRecords;
  /** Of the store, whose epochs fence. */
  readonly leaders: LeaderRecords;
}

/**
 * Leadership by a Lease of Kubernetes, with the epoch of the store. The Lease says who tries; the
 * store's epoch is raised by whoever holds it, and keeps out all that came before.
 */
export function createKubeLock({ lease, leaders, ...options }: KubeLockOptions): EpochLock {
  const { clock = systemClock, leaseDurationMs } = options;
  return createGatedLock({
    gate: createEpochLock(lease, options),
    lockBehind: (isVacant) => createEpochLock(leaders, { ...options, isVacant }),
    ...{ clock, patienceMs: leaseDurationMs / callsPerLease },
  });
}
