import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fromUnknown } from "@retake/errors";
import { makeFolder, writeAll, writeAtomically } from "./atomic-file.js";
import { rangeChunks, withOpenFile } from "./read-range.js";
import { throwIfStopped } from "./stop.js";

export interface CacheOptions {
  /** Folder of what can be computed again: hashes, verdicts, converted weights, downloads. */
  readonly cacheDir: string;
  readonly signal?: AbortSignal;
}

/** SHA-256 of the texts, each with its length before it, in hexadecimal. */
export function hashOfTexts(texts: Iterable<string>): string {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(`${Buffer.byteLength(text)}:${text}\n`);
  return hash.digest("hex");
}

/**
 * SHA-256 of a file's content, in hexadecimal. Computed once per file identity: a file of 4 GB is
 * not read again while its place, size and times stay.
 */
export async function contentHash(path: string, options: CacheOptions): Promise<string> {
  const identity = await fileIdentity(path);
  return cachedText(["hashes", identity], options.cacheDir, () => streamedHash(path, options));
}

/** Changes whenever the file at `path` is written or replaced. */
export async function fileIdentity(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return hashOfTexts([path, ...[dev, ino, size, mtimeNs, ctimeNs].map(String)]);
  } catch (thrown) {
    throw fromUnknown(thrown, `reading ${path}`);
  }
}

/**
 * A text from `cacheDir/folder/key`, or made and kept there. A cache that cannot be written costs
 * time, never the result.
 */
export async function cachedText(
  [folder, key]: readonly [folder: string, key: string],
  cacheDir: string,
  make: () => Promise<string>,
): Promise<string> {
  const path = join(cacheDir, folder, key);
  const kept = await readFile(path, "utf8").catch(() => undefined);
  if (kept !== undefined) return kept;
  const text = await make();
  try {
    await makeFolder(join(cacheDir, folder));
    await writeAtomically(path, (handle) => writeAll(handle, Buffer.from(text)));
  } catch {
    // Read-only or full: the text is computed again next time.
  }
  return text;
}

async function streamedHash(path: string, { signal }: CacheOptions): Promise<string> {
  return withOpenFile(path, async (file) => {
    const hash = createHash("sha256");
    for await (const chunk of rangeChunks(file, { offset: 0, byteLength: file.size })) {
      throwIfStopped(signal, path);
      hash.update(chunk);
    }
    return hash.digest("hex");
  });
}
