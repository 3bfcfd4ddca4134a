import type { Codec } from "./codec.js";
import { appendProblem, type Commit, type CommitHead, type CommitLog } from "./commit-log.js";
import { type EventLog, encodeLine } from "./event-log.js";
import { eventsPerEditMax } from "./limits.js";
import { assertStoreId } from "./store-id.js";
import { assertValueSize } from "./value-size.js";

interface Log {
  readonly revision: number;
  readonly epoch: number;
  readonly records: readonly Uint8Array[];
}

const empty: Log = { revision: 0, epoch: 0, records: [] };

export function createMemoryCommits<Record extends Commit>(
  codec: Codec<Record>,
): CommitLog<Record> {
  const logs = new Map<string, Log>();
  let lastRevision = 0;

  const logOf = (editId: string): Log => {
    assertStoreId(editId);
    return logs.get(editId) ?? empty;
  };
  const headOf = (editId: string): CommitHead<Record> => {
    const { revision, epoch, records } = logOf(editId);
    const last = records.at(-1);
    return { revision, epoch, last: last && codec.decode(last) };
  };

  return {
    head: async (editId) => headOf(editId),
    append: async (record, options) => {
      const problem = appendProblem(headOf(record.editId), record, options);
      if (problem !== undefined) return { outcome: "conflict", reason: problem };
      const bytes = codec.encode(record);
      assertValueSize(`commit of edit ${record.editId}`, bytes);
      const { records } = logOf(record.editId);
      const log = { revision: ++lastRevision, epoch: record.epoch, records: [...records, bytes] };
      logs.set(record.editId, log);
      return { outcome: "written", revision: log.revision };
    },
    fence: async (editId, { epoch }) => {
      const log = logOf(editId);
      if (log.epoch > epoch) return fenceConflict(editId, { epoch, foundEpoch: log.epoch });
      if (log.epoch < epoch) logs.set(editId, { ...log, epoch, revision: ++lastRevision });
      return { outcome: "fenced", head: headOf(editId) };
    },
    read: async (editId, { fromStep = 0 } = {}) =>
      logOf(editId)
        .records.map((bytes) => codec.decode(bytes))
        .filter(({ step }) => step >= fromStep),
    purge: async (editId) => {
      assertStoreId(editId);
      logs.delete(editId);
    },
  };
}

export function fenceConflict(
  editId: string,
  { epoch, foundEpoch }: { readonly epoch: number; readonly foundEpoch: number },
): { readonly outcome: "conflict"; readonly reason: string } {
  const reason = `log of edit ${editId}: epoch ${epoch} was taken over by epoch ${foundEpoch}`;
  return { outcome: "conflict", reason };
}

export function createMemoryEvents(): EventLog {
  const lines = new Map<string, readonly Uint8Array[]>();
  return {
    append: async (editId, { line }) => {
      assertStoreId(editId);
      const all = [...(lines.get(editId) ?? []), encodeLine(line)];
      lines.set(editId, all.slice(-eventsPerEditMax));
    },
    read: async (editId, { limit = eventsPerEditMax } = {}) => {
      assertStoreId(editId);
      const last = (lines.get(editId) ?? []).slice(-Math.max(1, limit));
      return last.map((bytes) => new TextDecoder().decode(bytes));
    },
    purge: async (editId) => {
      assertStoreId(editId);
      lines.delete(editId);
    },
  };
}
