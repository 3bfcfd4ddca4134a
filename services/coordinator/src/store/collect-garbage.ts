import type { ArtifactStore } from "./artifact-store.js";
import type { Commit } from "./commit-log.js";
import type { RecordStore } from "./record-store.js";
import type { GarbageDecision } from "./retention.js";
import type { Stores } from "./stores.js";

export interface Collected {
  readonly edits: number;
  readonly artifacts: number;
  /** What was used again since the decision, and stays. */
  readonly left: number;
}

/** Records that the codec of a store refuses: nobody knows what they name. */
export async function countUnreadable<Value>(records: RecordStore<Value>): Promise<number> {
  let count = 0;
  let after: string | undefined;
  do {
    const page = await records.list(after === undefined ? {} : { after });
    count += page.unreadable.length;
    after = page.next;
  } while (after !== undefined);
  return count;
}

/**
 * Does what was decided. Records go first: if this ends halfway, what is left is named by nobody,
 * and the next collection finds it.
 */
export async function collectGarbage<Value, Record extends Commit>(
  { records, commits, events }: Pick<Stores<Value, Record>, "records" | "commits" | "events">,
  artifacts: ArtifactStore,
  decision: GarbageDecision,
): Promise<Collected> {
  let [editCount, artifactCount] = [0, 0];
  for (const { id } of decision.edits) {
    const found = await records.get(id);
    if (found !== undefined) {
      const write = await records.remove(id, { revision: found.revision });
      if (write.outcome === "conflict") continue;
    }
    await commits.purge(id);
    await events.purge(id);
    editCount++;
  }
  // An edit that stays keeps what it names: then nothing is removed that it may need.
  const allGone = editCount === decision.edits.length;
  for (const { id } of allGone ? decision.artifacts : []) {
    const isGone = await artifacts.remove(id, { storedByUnixMs: decision.storedByUnixMs });
    if (isGone) artifactCount++;
  }
  const planned = decision.edits.length + decision.artifacts.length;
  return { edits: editCount, artifacts: artifactCount, left: planned - editCount - artifactCount };
}
