import { access, constants } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import { makeFolders } from "./make-folders.js";

/** Folder of what can be computed again: `RETAKE_CACHE`, else `retake` in the XDG cache folder. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>>): string {
  const given = env.RETAKE_CACHE;
  if (given !== undefined && given !== "") return resolve(given);
  const xdg = env.XDG_CACHE_HOME;
  const base = xdg?.startsWith("/") ? xdg : join(env.HOME ?? homedir(), ".cache");
  return join(base, "retake");
}

/**
 * Makes the folder, and finds out whether it can be written.
 *
 * @throws RetakeError  `output-not-writable`, `disk-full`
 */
export async function makeCacheFolder(path: string): Promise<void> {
  try {
    await makeFolders(path);
    await access(path, constants.W_OK);
  } catch (thrown) {
    const { code, reason, message } = fromUnknown(thrown, `cache folder ${path}`);
    const isFull = reason === "disk-full";
    const text = `${message}; set RETAKE_CACHE to a folder that can be written to`;
    throw new RetakeError(
      isFull ? code : Code.PermissionDenied,
      isFull ? reason : "output-not-writable",
      text,
      { cause: thrown },
    );
  }
}
