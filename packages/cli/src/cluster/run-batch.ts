import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import { callUnary } from "@retake/wire";
import { type Edit, EditState } from "@retake/wire/edit";
import { type BadLine, type BatchLine, requestIdOf } from "./batch-line.js";
import type { ClusterClient } from "./cluster-client.js";
import { downloadResult } from "./download-edit.js";
import { isEnded, noAnswer, stateText } from "./edit-json.js";
import { submitEdit } from "./submit-edit.js";
import { uploadVideo } from "./upload-video.js";
import { assertSucceeded, watchEdit } from "./watch-edit.js";

export const resultsName = "results.jsonl";
export const errorsName = "errors.jsonl";
/** Between two tries while the coordinator's queue is full. */
const fullQueueDelayMs = 1_000;

/** How far a batch is. */
export interface BatchCounts {
  readonly total: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly underWay: number;
}

export interface BatchOptions {
  /** Holds `results.jsonl`, `errors.jsonl` and a folder for each result. */
  readonly folder: string;
  /** Edits that are sent and watched at once. */
  readonly openMax: number;
  /** Whether results are fetched. */
  readonly downloads: boolean;
  readonly signal: AbortSignal;
  readonly onCounts: (counts: BatchCounts) => void;
}

/**
 * Runs the edits of a batch, a line of JSON for each that has ended. The same batch again goes on
 * where it ended: what succeeded is left alone, what failed is begun again.
 *
 * @throws RetakeError  `stopped` when the watcher is: the edits that were sent go on;
 *                      `unreachable` where no coordinator answers
 */
export async function runBatch(
  client: ClusterClient,
  lines: readonly (BatchLine | BadLine)[],
  options: BatchOptions,
): Promise<BatchCounts> {
  const files = await createFiles(options.folder);
  let counts: BatchCounts = { total: lines.length, succeeded: 0, failed: 0, underWay: 0 };
  const count = (change: Partial<Record<keyof BatchCounts, number>>): void => {
    counts = {
      ...{ total: counts.total, succeeded: counts.succeeded + (change.succeeded ?? 0) },
      failed: counts.failed + (change.failed ?? 0),
      underWay: counts.underWay + (change.underWay ?? 0),
    };
    options.onCounts(counts);
  };
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const queue = lines[Symbol.iterator]();
  const run = {
    client,
    files,
    upload: uploadsOnce(client, signal),
    options: { ...options, signal },
  };
  const work = async (): Promise<void> => {
    for (const line of queue) {
      if (signal.aborted) return;
      count({ underWay: 1 });
      const failure = await runLine(line, run);
      count({ underWay: -1, [failure === undefined ? "succeeded" : "failed"]: 1 });
    }
  };
  const workers = Array.from({ length: Math.min(options.openMax, lines.length) }, () =>
    work().catch((thrown: unknown) => {
      // One that cannot go on stops the others; what they throw then says no more.
      stop.abort();
      throw fromUnknown(thrown, "batch");
    }),
  );
  const ends = await Promise.allSettled(workers);
  const broken = ends.find((end) => end.status === "rejected");
  if (options.signal.aborted) throw stoppedBatch();
  if (broken !== undefined) throw fromUnknown(broken.reason, "batch");
  return counts;
}

interface Files {
  readonly folder: string;
  /** What has succeeded in an earlier run. */
  readonly doneRequestIds: ReadonlySet<string>;
  readonly tell: (name: string, value: object) => Promise<void>;
}

async function createFiles(folder: string): Promise<Files> {
  const path = join(folder, resultsName);
  const text = await readFile(path, "utf8").catch(() => "");
  const doneRequestIds = new Set<string>();
  let whole = "";
  for (const line of text.split("\n")) {
    const requestId = requestIdOfResult(line);
    if (requestId === undefined) continue;
    doneRequestIds.add(requestId);
    whole += `${line}\n`;
  }
  // A line that a kill cut off is dropped, and its edit looked at again.
  if (whole !== text) await writeFile(path, whole);
  await writeFile(join(folder, errorsName), "");
  const tell = (name: string, value: object): Promise<void> =>
    appendFile(join(folder, name), `${JSON.stringify(value)}\n`).catch((thrown: unknown) => {
      throw fromUnknown(thrown, `writing ${join(folder, name)}`);
    });
  return { folder, doneRequestIds, tell };
}

function requestIdOfResult(line: string): string | undefined {
  try {
    const { requestId }: { requestId?: unknown } = JSON.parse(line);
    return typeof requestId === "string" ? requestId : undefined;
  } catch {
    return undefined;
  }
}

interface Run {
  readonly client: ClusterClient;
  readonly files: Files;
  /** Gives the id of a video that lies here. */
  readonly upload: (path: string) => Promise<string>;
  readonly options: BatchOptions;
}

/** Gives why a line failed; throws where no line could go on. */
async function runLine(line: BatchLine | BadLine, run: Run): Promise<RetakeError | undefined> {
  const about: { editId?: string } = {};
  let error: RetakeError;
  try {
    if ("error" in line) throw line.error;
    await runEdit(line, run, about);
    return undefined;
  } catch (thrown) {
    error = fromUnknown(thrown, `line ${line.line}`);
  }
  if (isForAll(error)) throw error;
  const { code, reason, message } = error;
  const said = { line: line.line, id: line.id, ...about, error: { code, reason, message } };
  await run.files.tell(errorsName, said);
  return error;
}

/** Whether the next line would fail in the same way. */
function isForAll({ code, reason }: RetakeError): boolean {
  const ofConnection: readonly Code[] = [
    ...[Code.Unavailable, Code.Unauthenticated, Code.DeadlineExceeded, Code.Canceled],
  ];
  return reason === "disk-full" || (ofConnection.includes(code) && reason !== "deadline");
}

async function runEdit(
  line: BatchLine,
  { client, files, upload, options }: Run,
  about: { editId?: string },
): Promise<void> {
  const { signal } = options;
  const videoId = await upload(line.clipPath);
  const requestId = requestIdOf(line, videoId);
  if (files.doneRequestIds.has(requestId)) return;
  const request = { requestId, videoId };
  const sent = await whenQueued(() => submitEdit(client, line.edit, request), signal);
  about.editId = sent.id;
  await begunAgain(client, sent, requestId);
  const edit = await watchEdit(client, sent.id, { onEdit: () => undefined, signal });
  if (edit.state === EditState.EDIT_STATE_CANCELED) throw canceled(edit);
  assertSucceeded(edit);
  const out = join(files.folder, line.id);
  const downloaded = options.downloads ? await downloadResult(client, edit, { out, signal }) : {};
  const said = { line: line.line, id: line.id, editId: edit.id, requestId, files: downloaded };
  await files.tell(resultsName, said);
}

/** Reads and sends each video once, however many lines name it, and however many at once. */
function uploadsOnce(client: ClusterClient, signal: AbortSignal): Run["upload"] {
  const begun = new Map<string, Promise<string>>();
  return (path) => {
    const upload = begun.get(path) ?? uploadVideo(client, path, signal);
    begun.set(path, upload);
    return upload;
  };
}

/** An edit of an earlier run that ended without success is begun again. */
async function begunAgain(client: ClusterClient, edit: Edit, requestId: string): Promise<void> {
  const isLost = isEnded(edit) && edit.state !== EditState.EDIT_STATE_SUCCEEDED;
  if (!isLost) return;
  const { edits, call, patiently } = client;
  const request = { id: edit.id, requestId: `${requestId}-${edit.attempt}` };
  const asked = call(`beginning ${edit.id} again`);
  const answer = await patiently(() => callUnary(edits.retry.bind(edits), request, asked));
  if (answer.edit === undefined) throw noAnswer();
}

async function whenQueued(submit: () => Promise<Edit>, signal: AbortSignal): Promise<Edit> {
  for (;;) {
    try {
      return await submit();
    } catch (thrown) {
      const error = fromUnknown(thrown, "submitting");
      if (error.reason !== "queue-full") throw error;
    }
    await delay(fullQueueDelayMs, undefined, { signal });
  }
}

/** Somebody else's cancel is this line's failure, not the batch's end. */
function canceled(edit: Edit): RetakeError {
  const message = `edit ${edit.id}: ended ${stateText(edit)}: ${edit.reason}`;
  return new RetakeError(Code.FailedPrecondition, "edit-state", message);
}

function stoppedBatch(): RetakeError {
  const message = "batch: what was sent goes on; the same command again looks after the rest";
  return new RetakeError(Code.Canceled, "stopped", message);
}
