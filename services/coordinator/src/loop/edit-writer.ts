import { setTimeout as delay } from "node:timers/promises";
import { fromUnknown } from "@retake/errors";
import type { CommitRecord } from "../job/commit-record.js";
import type { EditRecord } from "../job/edit-record.js";
import type { Write } from "../store/record-store.js";
import type { Adopted, EditStores } from "./adopt.js";
import { storePauseMs } from "./limits.js";

export interface WriterOptions {
  readonly stores: EditStores;
  readonly signal: AbortSignal;
  readonly onStoreFull: (what: string) => void;
  readonly onStoreRoom: () => void;
  /** Told of every try that the store refused for now. */
  readonly onWait: (message: string) => void;
}

/** Writes records and commits, each right after the one that was written or read last. */
export class EditWriter {
  readonly #options: WriterOptions;
  readonly #recordRevisions = new Map<string, number>();
  readonly #logRevisions = new Map<string, number>();
  #isFull = false;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** From where on the next writes of an edit go. */
  know({ record, recordRevision, logRevision }: Adopted): void {
    this.#recordRevisions.set(record.id, recordRevision);
    this.#logRevisions.set(record.id, logRevision);
  }

  forget(editId: string): void {
    this.#recordRevisions.delete(editId);
    this.#logRevisions.delete(editId);
  }

  /** A conflict says that somebody else wrote: another coordinator. */
  async writeRecord(record: EditRecord): Promise<Write> {
    const { id } = record;
    const { records } = this.#options.stores;
    const revision = this.#recordRevisions.get(id);
    const write = await this.#untilStored(`record of edit ${id}`, () =>
      revision === undefined
        ? records.create(id, record)
        : records.update(id, record, { revision }),
    );
    if (write.outcome === "written") this.#recordRevisions.set(id, write.revision);
    return write;
  }

  async writeCommit(commit: CommitRecord): Promise<Write> {
    const { editId, step } = commit;
    const { commits } = this.#options.stores;
    const after = this.#logRevisions.get(editId) ?? 0;
    const write = await this.#untilStored(`commit of step ${step} of edit ${editId}`, () =>
      commits.append(commit, { after }),
    );
    if (write.outcome === "written") this.#logRevisions.set(editId, write.revision);
    return write;
  }

  /** Tries until the store has room and answers, or the signal aborts. */
  async #untilStored(what: string, attempt: () => Promise<Write>): Promise<Write> {
    const { signal, onStoreFull, onStoreRoom, onWait } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      try {
        const write = await attempt();
        if (this.#isFull) onStoreRoom();
        this.#isFull = false;
        return write;
      } catch (thrown) {
        const { reason, message } = fromUnknown(thrown, what);
        if (reason === "write-uncertain") return { outcome: "conflict", reason: message };
        if (reason !== "disk-full" && reason !== "store-unavailable") throw thrown;
        onWait(message);
        if (reason === "disk-full" && !this.#isFull) {
          this.#isFull = true;
          onStoreFull(what);
        }
      }
      await delay(storePauseMs, undefined, { signal });
    }
  }
}
