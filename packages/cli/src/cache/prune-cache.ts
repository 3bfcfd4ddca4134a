import { rm } from "node:fs/promises";
import { fromUnknown } from "@retake/errors";
import type { CacheEntry } from "./cache-entries.js";

export interface PruneLimits {
  /** Nothing that was used longer ago stays. */
  readonly ageMsMax?: number | undefined;
  /** So many bytes stay at most: those used last. */
  readonly bytesMax?: number | undefined;
}

/** What has to go, so that the rest is within the limits. */
export function entriesToPrune(
  entries: readonly CacheEntry[],
  nowMs: number,
  { ageMsMax = Number.POSITIVE_INFINITY, bytesMax = Number.POSITIVE_INFINITY }: PruneLimits,
): readonly CacheEntry[] {
  const latestFirst = [...entries].sort((a, b) => b.usedMs - a.usedMs);
  let kept = 0;
  return latestFirst.filter((entry) => {
    const stays = nowMs - entry.usedMs < ageMsMax && kept + entry.bytes <= bytesMax;
    if (stays) kept += entry.bytes;
    return !stays;
  });
}

/** @throws RetakeError  `file-unreadable` where a file may not be removed */
export async function removeEntries(entries: readonly CacheEntry[]): Promise<void> {
  for (const { paths } of entries) {
    for (const path of paths) {
      await rm(path, { recursive: true, force: true }).catch((thrown: unknown) => {
        throw fromUnknown(thrown, `removing ${path}`);
      });
    }
  }
}
