import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { readdir, readFile, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { manifestName } from "@retake/coordinator/result";
import { Code, RetakeError } from "@retake/errors";
import { makeFolders } from "../cache/make-folders.js";

/** A folder whose files appear all at once, when they are all whole. */
export interface ResultFolder {
  /** Where files are written to. */
  readonly workPath: string;
  /** Where they will be. */
  readonly path: string;
  /** Gives the files their final names. */
  readonly commit: () => Promise<void>;
  /** The committed files' absolute paths, by name. */
  readonly files: () => Promise<Readonly<Record<string, string>>>;
  /** Removes what was not committed, and every folder that was made for it. */
  readonly discard: () => Promise<void>;
}

/**
 * Makes the place for a result, and finds out now, before any work, whether it can be written. A
 * result of an earlier run is replaced at the end; any other folder must be empty.
 *
 * @throws RetakeError  `output-not-writable`, `disk-full`; `bad-option` for a folder with other
 *                      files
 */
export async function createResultFolder(given: string): Promise<ResultFolder> {
  const path = resolve(given);
  const earlier = await earlierFiles(path);
  const isThere = earlier !== undefined;
  const parent = isThere ? path : dirname(path);
  const workPath = join(parent, `.retake-${randomUUID()}.part`);
  const onExit = (): void => rmSync(workPath, { recursive: true, force: true });
  let made: string | undefined;
  try {
    made = await makeFolders(workPath);
  } catch (thrown) {
    throw notWritable(path, thrown);
  }
  process.once("exit", onExit);
  const discard = async (): Promise<void> => {
    process.off("exit", onExit);
    await rm(workPath, { recursive: true, force: true });
    await removeMade(made, dirname(workPath));
  };
  const commit = async (): Promise<void> => {
    try {
      if (isThere) await replace(workPath, path, earlier);
      else await rename(workPath, path);
    } catch (thrown) {
      throw notWritable(path, thrown);
    }
    made = undefined;
  };
  const files = async (): Promise<Readonly<Record<string, string>>> => {
    const names = (await readdir(path)).filter((name) => !name.startsWith(".retake-"));
    return Object.fromEntries(names.sort().map((name) => [name, join(path, name)]));
  };
  return { workPath, path, commit, files, discard };
}

/** The files of an earlier result; empty for an empty folder, undefined where there is none. */
async function earlierFiles(path: string): Promise<readonly string[] | undefined> {
  let names: string[];
  try {
    names = await readdir(path);
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return undefined;
    throw notWritable(path, thrown);
  }
  if (names.length === 0) return [];
  const manifest = await readFile(join(path, manifestName), "utf8").catch(() => "");
  if (manifest.includes('"retake-manifest"')) return filesOfManifest(manifest, names);
  const got = `a folder with other files (${names.slice(0, 3).join(", ")})`;
  const message = `${path}: expected a new or empty folder, or an earlier result, got ${got}`;
  throw new RetakeError(Code.InvalidArgument, "bad-option", `${message}; choose another --out`);
}

function filesOfManifest(manifest: string, names: readonly string[]): readonly string[] {
  try {
    const { files }: { files?: Readonly<Record<string, unknown>> } = JSON.parse(manifest);
    const listed = new Set([...Object.keys(files ?? {}), manifestName]);
    return names.filter((name) => listed.has(name));
  } catch {
    return [manifestName];
  }
}

/** The manifest goes first and comes last: while it is there, what it names is there. */
async function replace(workPath: string, path: string, earlier: readonly string[]): Promise<void> {
  await rm(join(path, manifestName), { force: true });
  for (const name of earlier) await rm(join(path, name), { force: true });
  const names = await readdir(workPath);
  for (const name of names.filter((candidate) => candidate !== manifestName)) {
    await rename(join(workPath, name), join(path, name));
  }
  if (names.includes(manifestName)) {
    await rename(join(workPath, manifestName), join(path, manifestName));
  }
  await rmdir(workPath);
}

/** Removes the folders from `innermost` up to the first that was made, as far as they are empty. */
async function removeMade(made: string | undefined, innermost: string): Promise<void> {
  if (made === undefined || basename(made).startsWith(".retake-")) return;
  for (let folder = innermost; folder.startsWith(made); folder = dirname(folder)) {
    await rmdir(folder).catch(() => undefined);
  }
}

function notWritable(path: string, thrown: unknown): RetakeError {
  if (thrown instanceof RetakeError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (isErrno(thrown, "ENOSPC") || isErrno(thrown, "EDQUOT")) {
    const full = `${path}: expected room for the result, got a full disk; free some space`;
    return new RetakeError(Code.ResourceExhausted, "disk-full", full, { cause: thrown });
  }
  const text = `${path}: expected a folder that can be written to, got ${message}`;
  const options = { cause: thrown };
  const advice = `${text}; choose another --out`;
  return new RetakeError(Code.PermissionDenied, "output-not-writable", advice, options);
}

function isErrno(thrown: unknown, errno: string): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === errno;
}
