import type { Dirent, Stats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type ArtifactKind, artifactKinds } from "./artifact-store.js";

/** One thing in the cache that can be removed by itself. */
export interface CacheEntry {
  /** What it is: `delta`, `programs`, `hub`, ... */
  readonly group: string;
  readonly name: string;
  /** Files and folders that make it up. */
  readonly paths: readonly string[];
  readonly bytes: number;
  /** When it was last written, or taken from the cache. */
  readonly usedMs: number;
}

const artifactGroups: Readonly<Record<ArtifactKind, string>> = {
  clip: "decoded frames",
  moments: "encoded clips",
  prompt: "encoded prompts",
  delta: "tuned networks",
  inverted: "inverted clips",
  reconstructed: "clips that came back",
};

/** Folders of the cache and what lies in them, for people. Nothing else in it is ever touched. */
export const cacheGroups: Readonly<Record<string, string>> = {
  ...artifactGroups,
  snapshots: "tunings to be resumed",
  programs: "compiled programs",
  optimized: "tiny programs, optimized",
  costs: "what programs cost",
  float32: "checkpoints in float32",
  converted: "checkpoints from pickles",
  hub: "downloaded models",
  hashes: "digests of files",
  finite: "files found finite",
};

/** Everything in the cache, by group; an empty list where there is no cache. */
export async function cacheEntries(folder: string): Promise<readonly CacheEntry[]> {
  const entries: CacheEntry[] = [];
  for (const group of Object.keys(cacheGroups)) {
    const isArtifact = artifactKinds.some((kind) => kind === group);
    const path = isArtifact ? join(folder, "artifacts", group) : join(folder, group);
    const found = await readdir(path, { withFileTypes: true }).catch((): Dirent[] => []);
    const names = isArtifact ? artifactNames(found) : found.map(({ name }) => name);
    for (const name of names) {
      const paths = isArtifact
        ? [join(path, name), join(path, `${name}.json`)]
        : [join(path, name)];
      entries.push({ group, name, paths, ...(await sizeAndUse(paths)) });
    }
  }
  return entries;
}

/** An artifact is its data and its record; either may be left of an interrupted run. */
function artifactNames(found: readonly Dirent[]): readonly string[] {
  return [...new Set(found.map(({ name }) => name.replace(/\.json$/, "")))];
}

async function sizeAndUse(
  paths: readonly string[],
): Promise<{ readonly bytes: number; readonly usedMs: number }> {
  let bytes = 0;
  let usedMs = 0;
  for (const path of paths) {
    for await (const found of filesUnder(path)) {
      bytes += found.size;
      usedMs = Math.max(usedMs, found.mtimeMs, found.atimeMs);
    }
  }
  return { bytes, usedMs };
}

async function* filesUnder(path: string): AsyncGenerator<Stats> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile()) yield found;
  if (!found?.isDirectory()) return;
  for (const name of await readdir(path).catch((): string[] => [])) {
    yield* filesUnder(join(path, name));
  }
}
