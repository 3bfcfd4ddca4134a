import { malformed } from "./codec.js";
import type { Stored } from "./record-store.js";

/** Who leads. A holder of "" gave the lease back. */
export interface Leader {
  readonly holder: string;
  /** Grows by one at every takeover; what comes from a lower one is refused everywhere. */
  readonly epoch: number;
  readonly leaseDurationMs: number;
  /** Counts the renewals, so that a renewal is a change. */
  readonly renewals: number;
}

/** A lease as one that wants it sees it: since when has nobody renewed it? */
export interface WatchedLease {
  readonly revision: number;
  readonly sinceMs: number;
}

export interface Claim {
  readonly action: "create" | "take-over" | "wait";
  readonly watched: WatchedLease | undefined;
  /** Of whoever takes it now. */
  readonly epoch: number;
  readonly waitMs: number;
  readonly reason: string;
}

export interface ClaimOptions {
  readonly pollEveryMs: number;
  /** Whoever holds it is known not to lead. */
  readonly isVacant: boolean;
}

/**
 * Whether the lease is free. It is judged by the claimant's own clock alone, from when it first saw
 * the last renewal: clocks of two machines are never compared, and a clock that jumps on another
 * machine frees nothing.
 */
export function claimLease(
  watched: WatchedLease | undefined,
  found: Stored<Leader> | undefined,
  nowMs: number,
  { pollEveryMs, isVacant }: ClaimOptions,
): Claim {
  if (found === undefined) {
    const reason = "nobody has led yet";
    return { action: "create", watched: undefined, epoch: 1, waitMs: 0, reason };
  }
  const { holder, epoch, leaseDurationMs } = found.value;
  const next = { epoch: epoch + 1, waitMs: 0 };
  if (holder === "") {
    const reason = `epoch ${epoch} gave the lease back`;
    return { action: "take-over", watched: undefined, ...next, reason };
  }
  if (isVacant) {
    const reason = `${holder} of epoch ${epoch} does not lead any more`;
    return { action: "take-over", watched: undefined, ...next, reason };
  }
  const isSame = watched !== undefined && watched.revision === found.revision;
  const seen = isSame ? watched : { revision: found.revision, sinceMs: nowMs };
  const unrenewedMs = nowMs - seen.sinceMs;
  if (unrenewedMs >= leaseDurationMs) {
    const reason = `${holder} of epoch ${epoch} has not renewed for ${Math.round(unrenewedMs)} ms`;
    return { action: "take-over", watched: seen, ...next, reason };
  }
  const waitMs = Math.min(pollEveryMs, leaseDurationMs - unrenewedMs);
  const reason = `${holder} of epoch ${epoch} leads`;
  return { action: "wait", watched: seen, epoch: next.epoch, waitMs, reason };
}

export function decodeLeader(json: unknown): Leader {
  const { holder, epoch, leaseDurationMs, renewals } = Object(json);
  const areNumbers = [epoch, leaseDurationMs, renewals].every(
    (value) => Number.isSafeInteger(value) && value >= 0,
  );
  if (typeof holder !== "string" || !areNumbers) {
    throw malformed("leader record", {
      problem: "expected holder, epoch, leaseDurationMs and renewals",
    });
  }
  return { holder, epoch, leaseDurationMs, renewals };
}
