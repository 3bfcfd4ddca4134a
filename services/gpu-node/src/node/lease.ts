/** A node's place in its cluster, as the node itself sees it. */
export interface Lease {
  /** Outside, it asks to join; inside, it holds a lease. */
  readonly place: "outside" | "inside";
  /** When it asked to join: answers to what it asked before are of another lease. */
  readonly joinedAtMs: number;
  /** When the lease is over, counted from before it was asked for. */
  readonly expiresAtMs: number;
  readonly heartbeatEveryMs: number;
  readonly leaseDurationMs: number;
  /** When the next question is due. */
  readonly nextAtMs: number;
  /** A question is under way: no other is asked. */
  readonly isAsking: boolean;
  /** In a row, since the last answer. */
  readonly failures: number;
}

export type LeaseEvent =
  | { readonly kind: "tick" }
  | {
      readonly kind: "joined";
      readonly askedAtMs: number;
      readonly leaseDurationMs: number;
      readonly heartbeatEveryMs: number;
    }
  | {
      readonly kind: "heartbeat-answered";
      readonly askedAtMs: number;
      readonly mustJoin: boolean;
      readonly mustDrain: boolean;
    }
  | { readonly kind: "failed"; readonly why: string };

export type LeaseEffect =
  | { readonly kind: "join" }
  | { readonly kind: "heartbeat" }
  /** The tasks are no longer this node's. */
  | { readonly kind: "void-tasks" }
  | { readonly kind: "drain" };

export interface LeaseDecision {
  readonly lease: Lease;
  readonly effects: readonly LeaseEffect[];
  readonly reason: string;
}

export interface LeaseOptions {
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
}

/** Outside, and due to join at once. */
export function noLease(nowMs: number): Lease {
  return {
    ...{
      place: "outside",
      joinedAtMs: nowMs,
      expiresAtMs: nowMs,
      heartbeatEveryMs: 0,
      leaseDurationMs: 0,
    },
    ...{ nextAtMs: nowMs, isAsking: false, failures: 0 },
  };
}

/**
 * When to join, when to prolong the lease, and when it is lost.
 *
 * A lease is lost by the node's own clock, too: a node that cannot reach its coordinator must not
 * go on as if it were a member. It is counted from before the question was asked, so that the node
 * gives up no later than the coordinator.
 *
 * Pure: the caller keeps the lease, runs the effects, and comes back at `wakeAtMs`.
 */
export function decideLease(
  lease: Lease,
  event: LeaseEvent,
  { nowMs, ...options }: LeaseOptions & { readonly nowMs: number },
): LeaseDecision {
  const { place, expiresAtMs } = lease;
  if (event.kind === "joined") return onJoined(lease, event);
  if (place === "inside" && nowMs >= expiresAtMs && event.kind !== "heartbeat-answered") {
    return outside(lease, { nowMs, why: "the lease ran out" });
  }
  switch (event.kind) {
    case "tick":
      return onTick(lease, nowMs);
    case "heartbeat-answered":
      return onHeartbeat(lease, event, nowMs);
    case "failed":
      return onFailed(lease, event, { nowMs, ...options });
  }
}

/** When `decideLease` has to see the next tick. */
export function wakeAtMs({ place, expiresAtMs, nextAtMs, isAsking }: Lease): number {
  const next = isAsking ? Number.POSITIVE_INFINITY : nextAtMs;
  return place === "inside" ? Math.min(next, expiresAtMs) : next;
}

function onJoined(
  lease: Lease,
  event: Extract<LeaseEvent, { readonly kind: "joined" }>,
): LeaseDecision {
  const { askedAtMs, leaseDurationMs, heartbeatEveryMs } = event;
  return {
    lease: {
      ...{ ...lease, place: "inside", leaseDurationMs, heartbeatEveryMs, joinedAtMs: askedAtMs },
      ...{ expiresAtMs: askedAtMs + leaseDurationMs, nextAtMs: askedAtMs + heartbeatEveryMs },
      ...{ isAsking: false, failures: 0 },
    },
    effects: [],
    reason: `joined for ${leaseDurationMs} ms`,
  };
}

function onTick(lease: Lease, nowMs: number): LeaseDecision {
  if (lease.isAsking || nowMs < lease.nextAtMs) {
    return { lease, effects: [], reason: "nothing is due" };
  }
  const kind = lease.place === "inside" ? "heartbeat" : "join";
  return { lease: { ...lease, isAsking: true }, effects: [{ kind }], reason: `${kind} is due` };
}

function onHeartbeat(
  lease: Lease,
  event: Extract<LeaseEvent, { readonly kind: "heartbeat-answered" }>,
  nowMs: number,
): LeaseDecision {
  const { askedAtMs, mustJoin, mustDrain } = event;
  if (lease.place === "outside" || askedAtMs < lease.joinedAtMs) {
    return { lease, effects: [], reason: "an answer to a lease that was" };
  }
  if (mustJoin) return outside(lease, { nowMs, why: "the coordinator knows no such lease" });
  const expiresAtMs = askedAtMs + lease.leaseDurationMs;
  if (nowMs >= expiresAtMs) return outside(lease, { nowMs, why: "answered after the lease" });
  return {
    lease: {
      ...{ ...lease, expiresAtMs, nextAtMs: askedAtMs + lease.heartbeatEveryMs },
      ...{ isAsking: false, failures: 0 },
    },
    effects: mustDrain ? [{ kind: "drain" }] : [],
    reason: mustDrain ? "prolonged; asked to drain" : "prolonged",
  };
}

function onFailed(
  lease: Lease,
  { why }: { readonly why: string },
  { nowMs, retryDelayMsMin, retryDelayMsMax }: LeaseOptions & { readonly nowMs: number },
): LeaseDecision {
  const delayMs = Math.min(retryDelayMsMax, retryDelayMsMin * 2 ** Math.min(lease.failures, 20));
  const failures = lease.failures + 1;
  return {
    lease: { ...lease, isAsking: false, failures, nextAtMs: nowMs + delayMs },
    effects: [],
    reason: `${why}; asks again in ${delayMs} ms`,
  };
}

/** The place is lost: it joins again at once. */
function outside(
  lease: Lease,
  { nowMs, why }: { readonly nowMs: number; readonly why: string },
): LeaseDecision {
  return {
    lease: noLease(nowMs),
    effects: [{ kind: "void-tasks" }],
    reason: `${why}: ${lease.place === "inside" ? "tasks are void, it joins again" : "it joins"}`,
  };
}
