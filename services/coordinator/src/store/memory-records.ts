import { createChangeQueue } from "./change-queue.js";
import type { Codec } from "./codec.js";
import { pageRecordsDefault, pageRecordsMax } from "./limits.js";
import {
  type Change,
  type RecordStore,
  readStored,
  type Stored,
  type Unreadable,
  type Write,
} from "./record-store.js";
import { assertStoreId } from "./store-id.js";
import { assertValueSize } from "./value-size.js";

interface Kept {
  readonly revision: number;
  readonly bytes: Uint8Array;
}

/**
 * Records in this process. They are kept as bytes, so that nobody changes one without a write, and
 * what the codec or the size forbids is refused as JetStream would.
 */
export function createMemoryRecords<Value>(codec: Codec<Value>): RecordStore<Value> {
  const kept = new Map<string, Kept>();
  const watchers = new Set<(change: Change<Value>) => void>();
  let lastRevision = 0;

  const tell = (change: Change<Value>) => {
    for (const watcher of watchers) watcher(change);
  };
  const stored = (id: string, { bytes, revision }: Kept) =>
    readStored(codec, bytes, { id, revision });
  const conflict = (id: string, expected: number): Write | undefined => {
    assertStoreId(id);
    const actual = kept.get(id)?.revision ?? 0;
    return actual === expected ? undefined : revisionConflict(id, { expected, actual });
  };
  const write = (id: string, value: Value): Write => {
    const bytes = codec.encode(value);
    assertValueSize(`record ${id}`, bytes);
    const entry = { revision: ++lastRevision, bytes };
    kept.set(id, entry);
    tell(stored(id, entry));
    return { outcome: "written", revision: entry.revision };
  };

  return {
    create: async (id, value) => conflict(id, 0) ?? write(id, value),
    update: async (id, value, { revision }) => conflict(id, revision) ?? write(id, value),
    remove: async (id, { revision }) => {
      const problem = conflict(id, revision);
      if (problem !== undefined) return problem;
      kept.delete(id);
      tell({ kind: "removed", id, revision: ++lastRevision });
      return { outcome: "written", revision: lastRevision };
    },
    get: async (id) => {
      assertStoreId(id);
      const entry = kept.get(id);
      if (entry === undefined) return undefined;
      return { id, revision: entry.revision, value: codec.decode(entry.bytes) };
    },
    list: async ({ after = "", limit = pageRecordsDefault } = {}) => {
      const { ids, next } = pageOfIds([...kept.keys()], { after, limit });
      return { ...splitPage(ids.map((id) => stored(id, kept.get(id) as Kept))), next };
    },
    watch: ({ signal }) => {
      const queue = createChangeQueue<Value>(signal);
      for (const [id, entry] of kept) queue.push(stored(id, entry));
      queue.push({ kind: "current" });
      watchers.add(queue.push);
      signal.addEventListener("abort", () => watchers.delete(queue.push), { once: true });
      return queue.changes();
    },
  };
}

/** What the writer expected to follow, and what is there; 0 is nothing. */
export function revisionConflict(
  id: string,
  { expected, actual }: { readonly expected: number; readonly actual: number },
): Write {
  const name = (revision: number) => (revision === 0 ? "no record" : `revision ${revision}`);
  const reason = `record ${id}: expected ${name(expected)}, got ${name(actual)}`;
  return { outcome: "conflict", reason };
}

/** The ids of a page, in order, and where the next one begins. */
export function pageOfIds(
  ids: readonly string[],
  { after, limit }: { readonly after: string; readonly limit: number },
): { readonly ids: readonly string[]; readonly next: string | undefined } {
  const rest = ids.filter((id) => id > after).sort();
  const page = rest.slice(0, Math.max(1, Math.min(limit, pageRecordsMax)));
  return { ids: page, next: page.length < rest.length ? page.at(-1) : undefined };
}

type Read<Value> = ReturnType<typeof readStored<Value>>;

export function splitPage<Value>(reads: readonly Read<Value>[]) {
  return {
    records: reads.flatMap((read): Stored<Value>[] => {
      if (read.kind !== "put") return [];
      return [{ id: read.id, revision: read.revision, value: read.value }];
    }),
    unreadable: reads.flatMap((read): Unreadable[] => {
      if (read.kind !== "unreadable") return [];
      return [{ id: read.id, revision: read.revision, reason: read.reason }];
    }),
  };
}
