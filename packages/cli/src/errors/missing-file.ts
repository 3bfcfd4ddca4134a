import { access, constants, stat } from "node:fs/promises";
import { Code, fromUnknown, RetakeError } from "@retake/errors";

/**
 * Finds out whether a file can be read, before any work is done for it.
 *
 * @param expected.what  for the message: "a video file"
 * @throws RetakeError  `file-not-found`, `file-unreadable`
 */
export async function assertReadable(
  path: string,
  { what }: { readonly what: string },
): Promise<void> {
  let isFolder = false;
  try {
    await access(path, constants.R_OK);
    isFolder = (await stat(path)).isDirectory();
  } catch (thrown) {
    const { code, reason, message } = fromUnknown(thrown, path);
    const isAbsent = code === Code.NotFound;
    const got = isAbsent ? "nothing there" : `one that may not be read (${message})`;
    const text = `${path}: expected ${what}, got ${got}; check the path`;
    throw new RetakeError(code, reason, text, { cause: thrown });
  }
  if (!isFolder) return;
  const message = `${path}: expected ${what}, got a folder; check the path`;
  throw new RetakeError(Code.InvalidArgument, "file-unreadable", message);
}
