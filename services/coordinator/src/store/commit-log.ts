import type { Write } from "./record-store.js";
import { assertStoreId } from "./store-id.js";

/** What the log needs to know of a commit record; the rest is the caller's. */
export interface Commit {
  readonly editId: string;
  /** Of the coordinator that commits. */
  readonly epoch: number;
  readonly step: number;
}

/** The end of an edit's log. */
export interface CommitHead<Record> {
  /** 0 if nothing was ever written. */
  readonly revision: number;
  /** The highest epoch that committed or fenced. */
  readonly epoch: number;
  readonly last: Record | undefined;
}

export type Fenced<Record> =
  | { readonly outcome: "fenced"; readonly head: CommitHead<Record> }
  | { readonly outcome: "conflict"; readonly reason: string };

/**
 * One record per committed step of an edit. A step counts when its record is here, and a record is
 * appended only right after the one that the writer saw last.
 */
export interface CommitLog<Record extends Commit> {
  head(editId: string): Promise<CommitHead<Record>>;
  /** @param options.after  the revision of the head that the writer knows */
  append(record: Record, options: { readonly after: number }): Promise<Write>;
  /**
   * Shuts out every lower epoch: from here on, nothing of an earlier coordinator lands in this log,
   * even if it read the head anew. Called at takeover, before the log is read.
   */
  fence(editId: string, options: { readonly epoch: number }): Promise<Fenced<Record>>;
  read(editId: string, options?: { readonly fromStep?: number }): Promise<readonly Record[]>;
  purge(editId: string): Promise<void>;
}

/** Why a record may not follow this head; undefined if it may. */
export function appendProblem<Record extends Commit>(
  head: CommitHead<Record>,
  record: Record,
  { after }: { readonly after: number },
): string | undefined {
  assertStoreId(record.editId);
  const what = `commit of step ${record.step} of edit ${record.editId}`;
  if (record.epoch < head.epoch) {
    return `${what}: epoch ${record.epoch} was taken over by epoch ${head.epoch}`;
  }
  if (head.revision !== after) {
    return `${what}: expected to follow revision ${after}, but the log is at ${head.revision}`;
  }
  if (head.last !== undefined && record.step !== head.last.step + 1) {
    return `${what}: expected step ${head.last.step + 1} after step ${head.last.step}`;
  }
  return undefined;
}
