import type { EditRecord } from "./edit-record.js";

/**
 * The tenant whose turn it is: who has been given least. A tenant that was away has not saved up
 * what it did not use, for its share is lifted to that of the last one served.
 *
 * @param shares  virtual time by tenant; tenants without one have had nothing
 */
export function nextTenant(
  tenants: readonly string[],
  shares: ReadonlyMap<string, number>,
): string | undefined {
  const shareOf = (tenant: string): number => shares.get(tenant) ?? 0;
  let next: string | undefined;
  for (const tenant of tenants) {
    if (next === undefined || comparedShares(shareOf(tenant) - shareOf(next), { tenant, next }) < 0)
      next = tenant;
  }
  return next;
}

const comparedShares = (difference: number, { tenant, next }: { tenant: string; next: string }) =>
  difference !== 0 ? difference : tenant < next ? -1 : 1;

/** Shares with those of newcomers: they begin where the poorest is, for nobody saves up. */
export function joinedShares(
  shares: ReadonlyMap<string, number>,
  present: readonly string[],
): ReadonlyMap<string, number> {
  const newcomers = present.filter((tenant) => !shares.has(tenant));
  if (newcomers.length === 0) return shares;
  const known = present.flatMap((tenant) => shares.get(tenant) ?? []);
  const base = known.length > 0 ? Math.min(...known) : Math.max(0, ...shares.values());
  return new Map([...shares, ...newcomers.map((tenant): [string, number] => [tenant, base])]);
}

/**
 * Shares after a tenant was given work.
 *
 * @param cost     of the work, in any unit that is the same for all: milliseconds if known, else 1
 * @param present  tenants with open edits, this one included: the others are away
 */
export function chargedShares(
  shares: ReadonlyMap<string, number>,
  { tenant, cost, present }: { tenant: string; cost: number; present: readonly string[] },
): ReadonlyMap<string, number> {
  const floor = shares.get(tenant) ?? 0;
  const lifted = [...shares].map(([name, share]): [string, number] => [
    name,
    present.includes(name) ? share : Math.max(share, floor),
  ]);
  return new Map(lifted).set(tenant, floor + cost);
}

/** Order within a tenant: priority, then what has begun, then who came first. */
export function comparedEdits(left: EditRecord, right: EditRecord): number {
  const byPriority = right.spec.priority - left.spec.priority;
  if (byPriority !== 0) return byPriority;
  const byStart = Number(left.startedMs === 0) - Number(right.startedMs === 0);
  if (byStart !== 0) return byStart;
  const byArrival = left.submittedMs - right.submittedMs;
  return byArrival !== 0 ? byArrival : left.id < right.id ? -1 : 1;
}
