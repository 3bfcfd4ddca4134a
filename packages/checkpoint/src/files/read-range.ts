import { type FileHandle, open, realpath } from "node:fs/promises";
import { fromUnknown } from "@retake/errors";
import { malformed, truncated } from "./file-errors.js";

/** How much is read at once when a file is streamed; keeps memory flat whatever the file's size. */
export const chunkBytes = 4 * 1024 * 1024;

export interface ByteRange {
  readonly offset: number;
  readonly byteLength: number;
}

export interface OpenFile {
  /** Absolute real path: no symlink is left in it (a Hugging Face cache consists of them). */
  readonly path: string;
  readonly size: number;
  readonly handle: FileHandle;
}

/**
 * Opens a file for reading, hands it to `use`, and closes it whatever happens.
 *
 * @throws RetakeError  `file-not-found`, `file-unreadable`; what is not a plain file is malformed
 */
export async function withOpenFile<T>(
  path: string,
  use: (file: OpenFile) => Promise<T>,
): Promise<T> {
  const file = await openFile(path);
  try {
    return await use(file);
  } catch (thrown) {
    throw fromUnknown(thrown, `reading ${path}`);
  } finally {
    await file.handle.close();
  }
}

/** The bytes of a range of a file, which is open as long as they are being read. */
export async function* fileChunks(
  range: { readonly file: string } & ByteRange,
): AsyncGenerator<Uint8Array> {
  const file = await openFile(range.file);
  try {
    yield* rangeChunks(file, range);
  } finally {
    await file.handle.close();
  }
}

async function openFile(path: string): Promise<OpenFile> {
  let handle: FileHandle | undefined;
  try {
    const real = await realpath(path);
    handle = await open(real, "r");
    const status = await handle.stat();
    if (!status.isFile()) throw malformed(`${path}: expected a file, got something else`);
    return { path: real, size: status.size, handle };
  } catch (thrown) {
    await handle?.close();
    throw fromUnknown(thrown, `reading ${path}`);
  }
}

/** Fills `target` from `offset`; a file that ends before is `file-truncated`. */
export async function readInto(file: OpenFile, target: Uint8Array, offset: number): Promise<void> {
  let done = 0;
  while (done < target.byteLength) {
    const left = target.byteLength - done;
    const { bytesRead } = await file.handle.read(target, done, left, offset + done);
    if (bytesRead === 0) {
      const needed = offset + target.byteLength;
      throw truncated(
        `${file.path}: expected ${needed} bytes, got ${offset + done}; fetch it again`,
      );
    }
    done += bytesRead;
  }
}

/**
 * The bytes of a range in pieces of at most `chunkBytes`. Each piece is only valid until the next
 * is asked for: one buffer serves them all.
 */
export async function* rangeChunks(file: OpenFile, range: ByteRange): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(Math.min(chunkBytes, range.byteLength));
  for (let done = 0; done < range.byteLength; done += buffer.byteLength) {
    const piece = buffer.subarray(0, Math.min(buffer.byteLength, range.byteLength - done));
    await readInto(file, piece, range.offset + done);
    yield piece;
  }
}
