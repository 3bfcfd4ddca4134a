import { randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { writeError } from "./file-errors.js";

/**
 * Writes a file so that its name holds either all of the new content or what it held before: the
 * bytes go to a temporary name beside it, reach the disk, and are renamed. A failure removes them.
 *
 * @throws RetakeError  `output-not-writable`, `disk-full`, or whatever `write` throws as
 *                      RetakeError
 */
export async function writeAtomically(
  path: string,
  write: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    const handle = await open(temporary, "wx");
    try {
      await write(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (thrown) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw writeError(thrown, path);
  }
  await syncFolder(dirname(path));
}

/** Makes a cache folder and those above it. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (thrown) {
    throw writeError(thrown, path);
  }
}

/** Makes the rename itself durable; a file system that cannot do this for folders is left alone. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, "r").catch(() => undefined);
  if (handle === undefined) return;
  await handle.sync().catch(() => undefined);
  await handle.close();
}

/** Writes all of `bytes` at the handle's position; a short write goes on where it stopped. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done);
    done += bytesWritten;
  }
}
