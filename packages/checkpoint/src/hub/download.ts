import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, RetakeError } from "@retake/errors";
import { makeFolder } from "../files/atomic-file.js";
import { writeError } from "../files/file-errors.js";
import { fileChunks } from "../files/read-range.js";
import { throwIfStopped } from "../files/stop.js";
import { downloadFailed, statusError } from "./hub-errors.js";
import type { HubFile } from "./hub-files.js";

/** Attempts in a row that bring no byte, before giving up. */
const attemptsMax = 5;
const retryDelayMsDefault = 1000;
/** A connection that brings nothing for so long counts as broken. */
const silenceMsMax = 30_000;

export interface DownloadOptions {
  /** The model, for messages. */
  readonly name: string;
  readonly hubUrl: string;
  readonly token?: string;
  readonly signal?: AbortSignal;
  readonly retryDelayMs?: number;
  readonly onBytes: (count: number) => void;
}

/**
 * Brings a file to `target`. What an earlier attempt or run has brought is kept beside it and only
 * the rest is asked for. Two processes may do this at once: both write the same bytes at the same
 * places.
 *
 * @throws RetakeError  `checksum-mismatch`, `download-failed`, `hub-unauthorized`, `disk-full`,
 *                      `stopped`
 */
export async function downloadFile(
  url: string,
  { file, target }: { readonly file: HubFile; readonly target: string },
  options: DownloadOptions,
): Promise<void> {
  const partial = `${target}.incomplete`;
  await makeFolder(dirname(target));
  await bringAll(url, { file, partial }, options);
  const got = await hashOfFile(partial, file);
  if (got !== file.hash.value) {
    await rm(partial, { force: true });
    const message = `${options.name}: ${file.path}: expected hash ${file.hash.value}, got ${got}; \
what came is thrown away, try again`;
    throw new RetakeError(Code.DataLoss, "checksum-mismatch", message);
  }
  try {
    await rename(partial, target);
  } catch (thrown) {
    // Another process has moved the same content there.
    if (!(await hasSize(target, file.byteLength))) throw writeError(thrown, target);
  }
}

export async function hasSize(path: string, byteLength: number): Promise<boolean> {
  return stat(path).then(
    (status) => status.size === byteLength,
    () => false,
  );
}

async function bringAll(
  url: string,
  { file, partial }: { readonly file: HubFile; readonly partial: string },
  options: DownloadOptions,
): Promise<void> {
  const handle = await openPartial(partial);
  try {
    const { size } = await handle.stat();
    const isOfAnotherFile = size > file.byteLength;
    if (isOfAnotherFile) await handle.truncate(0);
    let have = isOfAnotherFile ? 0 : size;
    let failures = 0;
    options.onBytes(have);
    while (have < file.byteLength) {
      throwIfStopped(options.signal, options.name);
      const before = have;
      try {
        for await (const chunk of bytesFrom(url, { start: have, file }, options)) {
          await writeAt(handle, chunk, { path: partial, position: have });
          have += chunk.byteLength;
          options.onBytes(chunk.byteLength);
        }
      } catch (thrown) {
        if (thrown instanceof RetakeError) throw thrown;
        failures = have > before ? 1 : failures + 1;
        await waitAfter(thrown, { file, failures }, options);
      }
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Kept from an earlier attempt, or new; never emptied. */
async function openPartial(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDWR | constants.O_CREAT);
  } catch (thrown) {
    throw writeError(thrown, path);
  }
}

/** Waits longer after each failure in a row; throws after too many, or when stopped. */
async function waitAfter(
  thrown: unknown,
  { file, failures }: { readonly file: HubFile; readonly failures: number },
  { name, signal, retryDelayMs = retryDelayMsDefault }: DownloadOptions,
): Promise<void> {
  throwIfStopped(signal, name);
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  if (failures >= attemptsMax) throw downloadFailed({ name, why: `${file.path}: ${why}` }, thrown);
  const delayMs = retryDelayMs * 2 ** (failures - 1);
  await sleep(delayMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  throwIfStopped(signal, name);
}

async function writeAt(
  handle: FileHandle,
  bytes: Uint8Array,
  { path, position }: { readonly path: string; readonly position: number },
): Promise<void> {
  try {
    for (let done = 0; done < bytes.byteLength; ) {
      const left = bytes.byteLength - done;
      done += (await handle.write(bytes, done, left, position + done)).bytesWritten;
    }
  } catch (thrown) {
    throw writeError(thrown, path);
  }
}

/** One connection's worth of bytes; throws a plain error where another try may help. */
async function* bytesFrom(
  url: string,
  { start, file }: { readonly start: number; readonly file: HubFile },
  options: DownloadOptions,
): AsyncGenerator<Uint8Array> {
  const silence = new AbortController();
  const isSilent = (): void => silence.abort(new Error(`nothing came for ${silenceMsMax} ms`));
  let timer = setTimeout(isSilent, silenceMsMax);
  const signals = [silence.signal, ...(options.signal === undefined ? [] : [options.signal])];
  const isOwn = new URL(url).origin === new URL(options.hubUrl).origin;
  const headers: Record<string, string> = { Range: `bytes=${start}-` };
  if (options.token !== undefined && isOwn) headers.Authorization = `Bearer ${options.token}`;
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.any(signals) });
    assertRange(response, { start, file }, options);
    let left = file.byteLength - start;
    for await (const chunk of response.body ?? []) {
      clearTimeout(timer);
      timer = setTimeout(isSilent, silenceMsMax);
      const bytes: Uint8Array = chunk.subarray(0, left);
      left -= bytes.byteLength;
      if (bytes.byteLength > 0) yield bytes;
      if (left === 0) return;
    }
    if (left > 0) throw new Error(`the connection ended ${left} bytes too early`);
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}

function assertRange(
  response: Response,
  { start, file }: { readonly start: number; readonly file: HubFile },
  { name, hubUrl }: DownloadOptions,
): void {
  if (!response.ok) {
    throw statusError(response.status, { name, hubUrl }) ?? new Error(`status ${response.status}`);
  }
  const begin = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1] ?? "0";
  if (Number(begin) === start) return;
  const why = `${file.path}: expected bytes from ${start}, got them from ${begin}`;
  throw downloadFailed({ name, why });
}

/** Git hashes a file behind a small header that holds its size. */
async function hashOfFile(path: string, { byteLength, hash }: HubFile): Promise<string> {
  const digest = createHash(hash.kind === "sha256" ? "sha256" : "sha1");
  if (hash.kind === "git-blob") digest.update(`blob ${byteLength}\0`);
  for await (const chunk of fileChunks({ file: path, offset: 0, byteLength })) digest.update(chunk);
  return digest.digest("hex");
}
