import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { Code, RetakeError } from "@retake/errors";
import { byteText } from "../text/byte-text.js";

/**
 * Finds out whether a place has room, where the system can tell.
 *
 * @param path  a file or folder that is there, or will be
 * @throws RetakeError  `disk-full`
 */
export async function assertRoom(path: string, bytes: number): Promise<void> {
  const freeBytes = await freeBytesAt(path);
  if (freeBytes === undefined || freeBytes >= bytes) return;
  const expected = `expected at least ${byteText(bytes)} of room`;
  const message = `${path}: ${expected}, got ${byteText(freeBytes)}; free some space`;
  throw new RetakeError(Code.ResourceExhausted, "disk-full", message);
}

async function freeBytesAt(path: string): Promise<number | undefined> {
  const found = await statfs(path).catch(() => undefined);
  if (found !== undefined) return found.bavail * found.bsize;
  const above = dirname(path);
  return above === path ? undefined : freeBytesAt(above);
}
