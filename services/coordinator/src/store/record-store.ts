import type { Codec } from "./codec.js";

/** A value with the number of its last write. Revisions grow over all records of a store. */
export interface Stored<Value> {
  readonly id: string;
  readonly revision: number;
  readonly value: Value;
}

/** What a record that the codec refuses leaves behind: one bad record must not hide the others. */
export interface Unreadable {
  readonly id: string;
  readonly revision: number;
  readonly reason: string;
}

export interface Page<Value> {
  /** In the order of their ids. */
  readonly records: readonly Stored<Value>[];
  readonly unreadable: readonly Unreadable[];
  /** Give it as `after` for the next page; undefined at the end. */
  readonly next: string | undefined;
}

/** A conflict is an expected ending: somebody else wrote first. Read again and decide anew. */
export type Write =
  | { readonly outcome: "written"; readonly revision: number }
  | { readonly outcome: "conflict"; readonly reason: string };

export type Change<Value> =
  | ({ readonly kind: "put" } & Stored<Value>)
  | ({ readonly kind: "unreadable" } & Unreadable)
  | { readonly kind: "removed"; readonly id: string; readonly revision: number }
  /** All that was there when the watch began has been told. */
  | { readonly kind: "current" };

/**
 * Records by id, each written only by compare-and-set. Reads and lists see every acknowledged
 * write; a watch may lag behind and skip what was overwritten meanwhile, but ends at the latest.
 */
export interface RecordStore<Value> {
  /** Writes a record that must not be there yet. */
  create(id: string, value: Value): Promise<Write>;
  /** @throws RetakeError record-malformed if the codec refuses what is stored */
  get(id: string): Promise<Stored<Value> | undefined>;
  /** A record that is there all the while is listed once, whatever is written meanwhile. */
  list(options?: { readonly after?: string; readonly limit?: number }): Promise<Page<Value>>;
  update(id: string, value: Value, options: { readonly revision: number }): Promise<Write>;
  remove(id: string, options: { readonly revision: number }): Promise<Write>;
  /** First what is there, then "current", then what changes, until the signal aborts. */
  watch(options: { readonly signal: AbortSignal }): AsyncIterable<Change<Value>>;
}

/** Reads what is stored; a refusal becomes a value, so that a list goes on. */
export function readStored<Value>(
  codec: Codec<Value>,
  bytes: Uint8Array,
  { id, revision }: { readonly id: string; readonly revision: number },
): ({ readonly kind: "put" } & Stored<Value>) | ({ readonly kind: "unreadable" } & Unreadable) {
  try {
    return { kind: "put", id, revision, value: codec.decode(bytes) };
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    return { kind: "unreadable", id, revision, reason };
  }
}
