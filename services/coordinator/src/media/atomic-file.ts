import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import { atExit } from "./at-exit.js";

/**
 * Writes a file under a temporary name in its own folder and renames it when `write` has ended: the
 * final name never holds half a result. Whatever ends the work early, even a signal that ends this
 * process, removes the temporary file (only SIGKILL and a power cut leave a `.retake-*.part`).
 *
 * @throws RetakeError output-not-writable or disk-full, and what `write` throws
 */
export async function writeAtomically<Result>(
  path: string,
  write: (temporaryPath: string) => Promise<Result>,
): Promise<Result> {
  const final = resolve(path);
  const temporary = join(dirname(final), `.retake-${randomUUID()}.part`);
  if (basename(final) === "" || path.endsWith("/") || path.includes("\0")) {
    throw notWritable(path, "a name that is no file's");
  }
  const release = atExit(() => rmSync(temporary, { force: true }));
  try {
    await orOutputError(path, async () => (await open(temporary, "wx")).close());
    const result = await write(temporary);
    await orOutputError(path, async () => {
      await flush(temporary);
      await rename(temporary, final);
    });
    return result;
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
    release();
  }
}

/** Turns what a failed write says, an error of Node's or ffmpeg's words, into a typed error. */
export function outputError(thrown: unknown, path: string): RetakeError {
  if (thrown instanceof RetakeError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (/ENOSPC|EDQUOT|EFBIG|No space left|quota exceeded|File too large/i.test(message)) {
    const full = `${path}: expected room on the disk, got none (${message}); free some space`;
    return new RetakeError(Code.ResourceExhausted, "disk-full", full, { cause: thrown });
  }
  const names = /EACCES|EPERM|EROFS|ENOENT|ENOTDIR|EISDIR|ENOTEMPTY|EEXIST|ENAMETOOLONG/;
  if (names.test(message) || /Permission denied|Read-only/.test(message))
    return notWritable(path, message, thrown);
  return fromUnknown(thrown, `writing ${path}`);
}

async function orOutputError(path: string, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (thrown) {
    throw outputError(thrown, path);
  }
}

async function flush(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function notWritable(path: string, got: string, cause?: unknown): RetakeError {
  const message = `${path}: expected a folder that can be written to, got ${got}; choose another`;
  return new RetakeError(Code.PermissionDenied, "output-not-writable", message, { cause });
}
