import type { NodePlace } from "../loop/node-discovery.js";

/** Who was there at the last look, and who was missed at it, having been there before. */
export interface Attendance {
  readonly present: ReadonlyMap<string, NodePlace>;
  readonly missed: ReadonlyMap<string, NodePlace>;
}

export const nobody: Attendance = { present: new Map(), missed: new Map() };

/**
 * Who has gone: was there, was missed at a look, and is missed in a list after that. One look alone
 * is not believed, as slices of one service are written one after the other; and a pod that has
 * come back at another address is another pod.
 */
export function attendanceAfter(
  before: Attendance,
  places: readonly NodePlace[],
  source: "list" | "watch",
): { readonly attendance: Attendance; readonly gone: readonly NodePlace[] } {
  const present = new Map(places.map((place) => [`${place.nodeId}@${place.address}`, place]));
  const isMissed = ([key]: readonly [string, NodePlace]): boolean => !present.has(key);
  const again = [...before.missed].filter(isMissed);
  const missed = new Map([...before.present].filter(isMissed));
  if (source === "list") {
    return { attendance: { present, missed }, gone: again.map(([, place]) => place) };
  }
  return { attendance: { present, missed: new Map([...again, ...missed]) }, gone: [] };
}
