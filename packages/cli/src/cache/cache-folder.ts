import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** Where what can be computed again is kept: `RETAKE_CACHE`, else `retake` in the XDG cache folder. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>>): string {
  const given = env.RETAKE_CACHE;
  if (given !== undefined && given !== "") return resolve(given);
  const xdg = env.XDG_CACHE_HOME;
  const base = xdg?.startsWith("/") ? xdg : join(env.HOME ?? homedir(), ".cache");
  return join(base, "retake");
}
