import { fromUnknown } from "@retake/errors";
import type { EditRecord, Phase } from "../job/edit-record.js";
import type { EventLog } from "../store/event-log.js";
import { eventsWaitingMax } from "./limits.js";

/** Why something happened to an edit, and when. */
export interface EditEvent {
  readonly unixMs: number;
  readonly attempt: number;
  readonly phase: Phase;
  readonly reason: string;
}

export interface EventWriterOptions {
  readonly events: EventLog;
  readonly signal: AbortSignal;
  readonly nowUnixMs: () => number;
  /** Told of lines that are lost: an edit never waits for what is only told about it. */
  readonly onLost: (message: string) => void;
}

/** Writes the history of edits: a line for each reason that is not of the last one's kind. */
export class EventWriter {
  readonly #options: EventWriterOptions;
  readonly #lastKinds = new Map<string, string>();
  readonly #waiting: { readonly editId: string; readonly line: string }[] = [];
  #isWriting = false;

  constructor(options: EventWriterOptions) {
    this.#options = options;
  }

  /** Tells of a record that changes. */
  tell({ id, attempt, phase, reason }: EditRecord): void {
    // "frame 3 is stored" after "frame 2 is stored" is progress, not history.
    const kind = `${attempt} ${reason.replace(/\d+/g, "#")}`;
    if (reason === "" || this.#lastKinds.get(id) === kind) return;
    this.#lastKinds.set(id, kind);
    if (this.#waiting.length >= eventsWaitingMax) {
      this.#options.onLost(`${eventsWaitingMax} lines wait for the store`);
      return;
    }
    const event: EditEvent = { unixMs: this.#options.nowUnixMs(), attempt, phase, reason };
    this.#waiting.push({ editId: id, line: JSON.stringify(event) });
    if (!this.#isWriting) void this.#write();
  }

  forget(editId: string): void {
    this.#lastKinds.delete(editId);
  }

  async #write(): Promise<void> {
    const { events, signal, onLost } = this.#options;
    this.#isWriting = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (signal.aborted) break;
      const { editId, line } = next;
      await events.append(editId, { line }).catch((thrown: unknown) => {
        onLost(fromUnknown(thrown, `event of edit ${editId}`).message);
      });
    }
    this.#isWriting = false;
  }
}

/** The last events of an edit, oldest first; a line of another version is left out. */
export async function readEvents(
  events: EventLog,
  editId: string,
  { limit }: { readonly limit: number },
): Promise<readonly EditEvent[]> {
  if (limit === 0) return [];
  const lines = await events.read(editId, { limit });
  return lines.flatMap((line) => eventOf(line) ?? []);
}

function eventOf(line: string): EditEvent | undefined {
  let value: Partial<EditEvent> | null;
  try {
    value = JSON.parse(line) as Partial<EditEvent> | null;
  } catch {
    // The store cuts a line that is too long.
    return undefined;
  }
  const { unixMs, attempt, phase, reason } = value ?? {};
  const isEvent = Number.isSafeInteger(unixMs) && Number.isSafeInteger(attempt);
  if (!isEvent || typeof phase !== "string" || typeof reason !== "string") return undefined;
  return { unixMs, attempt, phase, reason } as EditEvent;
}
