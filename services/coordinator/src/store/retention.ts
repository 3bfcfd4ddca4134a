import type { StoredArtifact } from "./artifact-store.js";

/** What garbage collection needs to know of an edit. */
export interface KeptEdit {
  readonly id: string;
  /** When it came to its end; undefined while it is open. */
  readonly endedUnixMs: number | undefined;
  /** Inputs, resume points and results. */
  readonly artifactIds: readonly string[];
}

export interface RetentionOptions {
  /** An edit that ended is kept for so long. */
  readonly editKeptMs: number;
  /** What nobody references may belong to an upload that no edit names yet. */
  readonly unreferencedKeptMs: number;
}

export interface Removal {
  readonly id: string;
  readonly reason: string;
}

export interface GarbageDecision {
  /** Records, with their commits and events. Remove them first. */
  readonly edits: readonly Removal[];
  readonly artifacts: readonly Removal[];
  /** Only what was stored or touched by then may go: an upload may have come meanwhile. */
  readonly storedByUnixMs: number;
  readonly freedBytes: number;
  readonly keptBytes: number;
  readonly reason: string;
}

/**
 * What may go. An edit that is open keeps all it names, whatever its age. A clock that jumped back
 * keeps more; one that jumped ahead removes ended edits early, never an open one's artifacts.
 * While a record cannot be read, such as one of a later release, no artifact goes: it may name any.
 */
export function decideGarbage(
  kept: {
    readonly edits: readonly KeptEdit[];
    readonly artifacts: readonly StoredArtifact[];
    /** Records of edits that cannot be read. */
    readonly unreadableCount: number;
  },
  nowUnixMs: number,
  { editKeptMs, unreferencedKeptMs }: RetentionOptions,
): GarbageDecision {
  const isExpired = ({ endedUnixMs }: KeptEdit) =>
    endedUnixMs !== undefined && nowUnixMs - endedUnixMs >= editKeptMs;
  const expired = kept.edits.filter(isExpired);
  const live = new Set(
    kept.edits.filter((edit) => !isExpired(edit)).flatMap(({ artifactIds }) => artifactIds),
  );
  const ofExpired = new Set(expired.flatMap(({ artifactIds }) => artifactIds));
  const storedByUnixMs = nowUnixMs - unreferencedKeptMs;

  const isGarbage = ({ id, storedUnixMs }: StoredArtifact) =>
    kept.unreadableCount === 0 && !live.has(id) && storedUnixMs <= storedByUnixMs;
  const garbage = kept.artifacts.filter(isGarbage);
  const freedBytes = sumOf(garbage);
  const keptBytes = sumOf(kept.artifacts) - freedBytes;
  const counts = `${expired.length} of ${kept.edits.length} edits`;
  const { unreadableCount } = kept;
  const unread = unreadableCount === 0 ? "" : `; ${unreadableCount} records cannot be read`;
  const artifactCounts = `${garbage.length} of ${kept.artifacts.length} artifacts`;
  return {
    edits: expired.map(({ id }) => ({ id, reason: `ended more than ${editKeptMs} ms ago` })),
    artifacts: garbage.map(({ id }) => ({
      id,
      reason: ofExpired.has(id) ? "only expired edits name it" : "no edit names it",
    })),
    storedByUnixMs,
    freedBytes,
    keptBytes,
    reason:
      `${counts} and ${artifactCounts} may go: ` +
      `${freedBytes} of ${keptBytes + freedBytes} bytes${unread}`,
  };
}

const sumOf = (artifacts: readonly StoredArtifact[]): number =>
  artifacts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
