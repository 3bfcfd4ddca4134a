import type { CommitRecord } from "../job/commit-record.js";
import { type EditRecord, isTerminal } from "../job/edit-record.js";
import type { CommitLog } from "../job/events.js";
import type { Stored } from "../store/record-store.js";
import type { Stores } from "../store/stores.js";
import { adoptAttemptsMax } from "./limits.js";

export type EditStores = Stores<EditRecord, CommitRecord>;

/** An edit that is this coordinator's, and where its next writes must land. */
export interface Adopted {
  readonly record: EditRecord;
  readonly recordRevision: number;
  readonly log: CommitLog | undefined;
  readonly logRevision: number;
}

/**
 * Makes an edit this epoch's: its record is rewritten, so that no write of an earlier coordinator
 * lands on it, and its log is fenced before it is read.
 *
 * @returns  undefined where a later coordinator has it
 */
export async function adopt(
  stores: EditStores,
  found: Stored<EditRecord>,
  epoch: number,
): Promise<Adopted | "gone" | undefined> {
  const { id } = found;
  let stored: Stored<EditRecord> | undefined = found;
  for (let attempt = 0; attempt < adoptAttemptsMax; attempt += 1) {
    if (stored === undefined) return "gone";
    const { value, revision } = stored;
    if (value.epoch > epoch) return undefined;
    if (isTerminal(value)) return withLog(stores, { record: value, revision, epoch });
    const record = { ...value, epoch, revision: value.revision + 1 };
    const write = await stores.records.update(id, record, { revision });
    if (write.outcome === "written") {
      return withLog(stores, { record, revision: write.revision, epoch });
    }
    stored = await stores.records.get(id);
  }
  return undefined;
}

async function withLog(
  { commits }: EditStores,
  { record, revision, epoch }: { record: EditRecord; revision: number; epoch: number },
): Promise<Adopted | undefined> {
  // What succeeded is never begun again: nobody asks for its log.
  if (record.state === "succeeded") {
    return { record, recordRevision: revision, log: undefined, logRevision: 0 };
  }
  const fenced = await commits.fence(record.id, { epoch });
  if (fenced.outcome === "conflict") return undefined;
  const fromStep = record.tuning.snapshot?.committedSteps ?? 0;
  const { last } = fenced.head;
  const log: CommitLog = {
    committedSteps: last === undefined ? 0 : last.step + 1,
    attempts: last?.attempts ?? 0,
    weightsHash: last?.weightsHash ?? "",
    commits: last === undefined ? [] : await commits.read(record.id, { fromStep }),
  };
  return { record, recordRevision: revision, log, logRevision: fenced.head.revision };
}
